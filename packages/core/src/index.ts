export type { Assignment, Machine, TargetState, Unit, UnitState } from "./cluster/records.ts";
export { no, ok, type Result } from "./result.ts";
export type { Requirements } from "./unit/requirements.ts";
export type { UnitOption } from "./unit/unit-option.ts";
