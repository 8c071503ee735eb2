import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "@fleet/lab";
import { type Logger, silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { DbusUnitManager, DiskUnitDirectory } from "@fleet/systemd";
import { CuttableSocket } from "./cuttable-socket.ts";
import { type UnitManagerWorld, until } from "./unit-manager-contract.ts";

let worlds = 0;

/** A unit manager on a machine of the lab, and what the tests have to see and do besides. */
export interface DbusWorld extends UnitManagerWorld {
  readonly manager: DbusUnitManager;
  readonly bus: CuttableSocket;
  readonly events: readonly string[];
}

/** A manager connected to the machine, which has no units of an earlier test. */
export async function openDbusWorld(
  machine: Machine,
  options: {
    /** The same path on the host and on the machine. */
    readonly unitsDirectory: string;
    readonly callTimeoutMs?: number;
  },
): Promise<DbusWorld> {
  const { unitsDirectory, callTimeoutMs = 10_000 } = options;
  worlds += 1;
  const traces = join(machine.path, `traces-${worlds}`);
  mkdirSync(traces);
  const trace = (name: string): string => join(traces, name.replaceAll("\\", "-"));
  const bus = new CuttableSocket(join(machine.path, `bus-${worlds}`), machine.busSocket);
  await bus.listen();
  const events: string[] = [];
  const record = (event: string): void => {
    events.push(event);
  };
  const logger: Logger = { ...silentLogger, debug: record, info: record, warn: record, error: record };
  const manager = new DbusUnitManager({
    address: `unix:path=${bus.path}`,
    directory: unitsDirectory,
    clock: systemClock,
    random: systemRandom,
    logger,
    callTimeoutMs,
  });
  const stopped = new AbortController();
  const run = manager.run(stopped.signal);
  await until(() => events.includes("systemd_connected"));
  const disk = new DiskUnitDirectory(unitsDirectory);
  const written = new Set<string>();
  return {
    manager,
    bus,
    events,
    directory: {
      write: (name, text) => {
        written.add(name);
        return disk.write(name, text);
      },
      read: (name) => disk.read(name),
      remove: (name) => disk.remove(name),
    },
    execStop: (name, seconds) => `/bin/sh -c 'sleep ${seconds}; touch ${trace(name)}'`,
    stopCompleted: (name) => existsSync(trace(name)),
    reloads: () => events.filter((event) => event === "systemd_reload").length,
    cut: () => bus.cut(),
    heal: () => bus.listen(),
    close: async () => {
      stopped.abort();
      await run;
      await bus.cut();
      const names = [...written];
      await machine.systemctl("stop", ...names);
      await machine.systemctl("disable", "--runtime", ...names);
      for (const name of names) await disk.remove(name);
      await machine.systemctl("reset-failed");
      await machine.systemctl("daemon-reload");
    },
  };
}
