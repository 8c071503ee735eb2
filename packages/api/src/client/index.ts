export type { WatchDelta, WatchSnapshot, WatchStatus } from "../contract/watch.ts";
export type { ApiUnit, ApiUnitState, MachinePatch } from "../contract/wire.ts";
export { type Endpoint, parseEndpoint } from "./endpoint.ts";
export { FleetApiError, FleetProtocolError, FleetUnreachableError } from "./errors.ts";
export { FleetClient, type StateFilter, type UnitChange } from "./fleet-client.ts";
export type { ClientMachine } from "./readers.ts";
export type { ClientTls, TransportOptions } from "./transport.ts";
export type { WatchUpdate } from "./watch-stream.ts";
