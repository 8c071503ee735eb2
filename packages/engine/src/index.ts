export { Engine, type EngineOptions, type EngineStatus } from "./engine.ts";
export type { EngineRegistry } from "./engine-port.ts";
