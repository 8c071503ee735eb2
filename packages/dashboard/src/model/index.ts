export type { StateChange } from "./history.ts";
export { type MachineRow, type MachineStatus, machineRowOf, machineRows } from "./machine-list.ts";
export type { Failover, GoneMachine, UnitMove } from "./moves.ts";
export { Picture } from "./picture.ts";
export { formatRoute, parseRoute, type Route } from "./route.ts";
export { allUnits, type Selection, type SortKey, select, sortKeys, type UnitFilter } from "./selection.ts";
export {
  ClusterStream,
  type StreamListener,
  type StreamPorts,
  type StreamSocket,
  type StreamState,
} from "./stream.ts";
export { type Phase, phaseOf, phases, type UnitRow, words } from "./unit-row.ts";
