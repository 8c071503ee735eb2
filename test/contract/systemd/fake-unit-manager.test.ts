import { systemClock } from "@fleet/runtime";
import { FakeSystemd, FakeUnitDirectory, FakeUnitManager } from "@fleet/systemd";
import { unitManagerContract } from "./unit-manager-contract.ts";

unitManagerContract("FakeUnitManager", async () => {
  const systemd = new FakeSystemd(systemClock);
  const manager = new FakeUnitManager(systemd);
  const stopped = new AbortController();
  const run = manager.run(stopped.signal);
  return {
    manager,
    directory: new FakeUnitDirectory(systemd),
    execStop: (_, seconds) => `/bin/sleep ${seconds}`,
    stopCompleted: (name) => systemd.history.some(({ kind, unit }) => kind === "stopped" && unit === name),
    reloads: () => systemd.history.filter(({ kind }) => kind === "reloaded").length,
    cut: async () => manager.disconnect(),
    heal: async () => manager.reconnect(),
    close: async () => {
      stopped.abort();
      await run;
    },
  };
});
