export type { ApiBackup } from "../contract/backup.ts";
export type { ApiDryRun, ApiDryRunStep, DryRunRequest } from "../contract/dry-run.ts";
export type { ApiEvent } from "../contract/events.ts";
export type { ApiExplanation } from "../contract/explanation.ts";
export type { ApiMassLoss, Losses } from "../contract/losses.ts";
export type { ApiReseed } from "../contract/reseed.ts";
export type { ApiRestart, NewRestart } from "../contract/restart.ts";
export type { UnitSummary, WatchDelta, WatchSnapshot, WatchStatus } from "../contract/watch.ts";
export type { ApiUnit, ApiUnitState, MachinePatch } from "../contract/wire.ts";
export { readBackup } from "./backup-reader.ts";
export { type Endpoint, endpointText, parseEndpoint, parseEndpoints } from "./endpoint.ts";
export { FleetApiError, FleetProtocolError, FleetUnreachableError } from "./errors.ts";
export type { FailoverOptions } from "./failover.ts";
export { type EventFilter, FleetClient, type StateFilter, type UnitChange } from "./fleet-client.ts";
export type { ClientMachine } from "./readers.ts";
export type { ClientTls, TransportOptions } from "./transport.ts";
export {
  positionAfter,
  type WatchFilter,
  type WatchKind,
  type WatchPosition,
  type WatchUpdate,
} from "./watch-stream.ts";
