export type { UnitDirectory, UnitListener, UnitManager, UnitStatus } from "./unit-manager.ts";
