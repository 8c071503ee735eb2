// Machines of the scale lab, as many as it is told in one process: each has the production agent with a registry, a lease
// and a watch of its own. Only its systemd is a fake, and groups of machines share a connection to etcd.

import { Agent } from "@fleet/agent";
import type { JournalEntry } from "@fleet/core";
import { Etcd3Store, Registry, type RememberedCluster } from "@fleet/registry";
import { LineLogger, systemClock, systemRandom } from "@fleet/runtime";
import { FakeSystemd, FakeUnitDirectory, FakeUnitManager } from "@fleet/systemd";
import { keys, machineId, machineMetadata } from "./population.ts";

/** As JSON, the only argument. */
export interface AgentsProcessOptions {
  readonly endpoints: readonly string[];
  /** Number of the first machine. */
  readonly first: number;
  readonly count: number;
  readonly ttlMs: number;
}

const MACHINES_PER_CONNECTION = 50;
/** More at a time would only wait for each other. */
const STARTING_AT_ONCE = 25;

const options: AgentsProcessOptions = JSON.parse(process.argv[2] ?? "{}");
const logger = new LineLogger({
  write: (line) => process.stderr.write(line),
  now: systemClock.now,
  level: () => "error",
  journal: false,
});
const common = { clock: systemClock, random: systemRandom, logger };

function startMachine(index: number, store: Etcd3Store): { readonly registered: () => boolean } {
  const id = machineId(index);
  let cluster: RememberedCluster | undefined;
  const memory = {
    load: async () => cluster,
    save: async (seen: RememberedCluster) => {
      cluster = seen;
    },
  };
  const journal = new Map<string, JournalEntry>();
  const systemd = new FakeSystemd(systemClock);
  const agent = new Agent({
    ...common,
    machineId: id,
    token: id,
    publicIp: "192.0.2.1",
    metadata: machineMetadata(index),
    version: "bench",
    ttlMs: options.ttlMs,
    registry: new Registry({ ...common, store, prefix: keys.prefix, memory }),
    manager: new FakeUnitManager(systemd),
    directory: new FakeUnitDirectory(systemd),
    journal: {
      load: async () => [],
      put: async (entry) => void journal.set(entry.unit, entry),
      remove: async (unit) => void journal.delete(unit),
    },
  });
  void agent.run(new AbortController().signal);
  return { registered: () => agent.report().registration !== undefined };
}

// Whoever started it ends it with a signal, or goes away: nothing here is worth an orderly end.
process.once("disconnect", () => process.exit());
let store: Etcd3Store | undefined;
const starting = new Set<ReturnType<typeof startMachine>>();
for (let index = 0; index < options.count; index += 1) {
  if (store === undefined || index % MACHINES_PER_CONNECTION === 0) {
    store = new Etcd3Store({ ...common, endpoints: options.endpoints, requestTimeoutMs: 30_000 });
  }
  starting.add(startMachine(options.first + index, store));
  while (starting.size >= STARTING_AT_ONCE) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const machine of starting) if (machine.registered()) starting.delete(machine);
  }
}
