export { ClusterModel } from "./cluster/cluster-model.ts";
export type { Dirty } from "./cluster/dirty.ts";
export { type DryRun, type DryRunStep, dryRun, type Hypothesis } from "./cluster/dry-run.ts";
export {
  type Candidate,
  type Conflict,
  conflictBetween,
  type Eligibility,
  eligibility,
  type Ineligibility,
  type MetadataMismatch,
  matchesMachineId,
  metadataMismatch,
  type Occupant,
  replacesUnit,
} from "./cluster/eligibility.ts";
export { type Closed, explain, type PendingCause, type Verdict } from "./cluster/explain.ts";
export type { Obstacle, PushObstacle } from "./cluster/obstacle.ts";
export { unreadable } from "./cluster/occupancy.ts";
export { type PlanOptions, plan, planningRound } from "./cluster/plan.ts";
export {
  type Assignment,
  type ExclusiveHold,
  exclusiveWaitMs,
  type Machine,
  orderAlone,
  type Settled,
  type Spared,
  type TargetState,
  type Unit,
  type UnitState,
  unknownMachine,
} from "./cluster/records.ts";
export {
  canRunElsewhere,
  type Reschedule,
  type RescheduleMove,
  rescheduleOf,
} from "./cluster/reschedule.ts";
export type {
  Restart,
  RestartOutcome,
  RestartProgress,
  RestartReport,
  RestartStep,
} from "./cluster/restart.ts";
export { planRestarts, type RestartChange } from "./cluster/restart-plan.ts";
export type {
  AssignReason,
  LeaveReason,
  PendingUnit,
  Plan,
  Step,
  UpdateReason,
} from "./cluster/step.ts";
export { Tally } from "./cluster/tally.ts";
export {
  type Cause,
  explainUnit,
  type Placement,
  type UnitExplanation,
  type WhyNot,
} from "./cluster/unit-explanation.ts";
export {
  type AgentTask,
  type AgentView,
  diff,
  type FenceTask,
  fenceTasks,
  isRestartDue,
} from "./machine/diff.ts";
export type { JournalEntry } from "./machine/journal-entry.ts";
export { no, ok, type Result } from "./result.ts";
export { escapeGlob, isWellFormedGlob, literalOf, matchGlob } from "./unit/glob.ts";
export type { Exclusiveness, Requirements } from "./unit/requirements.ts";
export { boundsStop, defaultTimeoutStopMs, type StopBound, stopBound } from "./unit/stop-bound.ts";
export { parseTimeSpan } from "./unit/time-span.ts";
export {
  hasInstallSection,
  parseUnitFile,
  serializeUnitFile,
  type UnitFileProblem,
} from "./unit/unit-file.ts";
export { shortHash, unitHash } from "./unit/unit-hash.ts";
export { parseUnitName, type UnitName } from "./unit/unit-name.ts";
export type { UnitOption } from "./unit/unit-option.ts";
export { type UnitVerdict, unitFileBytes, validateUnit } from "./unit/validate-unit.ts";
export { isGlobalUnit, type RequirementsReading, readRequirements, requirementsOf } from "./unit/x-fleet.ts";
