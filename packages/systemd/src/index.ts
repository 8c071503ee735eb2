export { DbusUnitManager, type DbusUnitManagerOptions } from "./dbus-unit-manager.ts";
export { FakeSystemd } from "./fake-systemd.ts";
export type { FakeSystemdEvent, FakeSystemdEventKind } from "./fake-systemd-history.ts";
export type { FakeUnitBehaviour } from "./fake-unit-behaviour.ts";
export { FakeUnitDirectory, FakeUnitManager } from "./fake-unit-manager.ts";
export { DiskUnitDirectory } from "./unit-directory.ts";
export type {
  Fence,
  ResetCause,
  UnitDirectory,
  UnitListener,
  UnitManager,
  UnitStatus,
} from "./unit-manager.ts";
