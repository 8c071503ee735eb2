// One engine as it runs inside fleetd, alone in its process: the benchmarks that start it learn what it takes.

import { createWriteStream } from "node:fs";
import { Engine } from "@fleet/engine";
import {
  type ChangeBatch,
  type EngineWrite,
  Etcd3Store,
  type FollowObserver,
  Registry,
} from "@fleet/registry";
import { LineLogger, systemClock, systemRandom } from "@fleet/runtime";
import { wallMs } from "./wall-clock.ts";

/** As JSON, the only argument. */
export interface EngineProcessOptions {
  readonly endpoints: readonly string[];
  readonly logFile: string;
  readonly agentTtlMs: number;
}

/** What it tells; times are those of `wallMs`, `cpuMs` is the CPU time of the process so far, all threads together. */
export type EngineMessage =
  /** The first batch, which is all that is in etcd, has been handed to the model. */
  | { readonly kind: "loaded"; readonly atMs: number; readonly cpuMs: number }
  /** A plan's first write is about to be sent. */
  | { readonly kind: "deciding"; readonly atMs: number }
  /** So many assignments have been written since it began. */
  | { readonly kind: "committed"; readonly assigned: number; readonly atMs: number; readonly cpuMs: number };

const options: EngineProcessOptions = JSON.parse(process.argv[2] ?? "{}");
const log = createWriteStream(options.logFile, { flags: "a" });
const common = {
  clock: systemClock,
  random: systemRandom,
  logger: new LineLogger({
    write: (line) => log.write(line),
    now: systemClock.now,
    level: () => "info",
    journal: false,
  }),
};
const store = new Etcd3Store({ ...common, endpoints: options.endpoints, requestTimeoutMs: 10_000 });
const registry = new Registry({
  ...common,
  store,
  prefix: "/fleet-bench/",
  memory: { load: async () => undefined, save: async () => {} },
});

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function tell(message: EngineMessage): void {
  // Who listened may have gone, which ends this process as well.
  process.send?.(message, undefined, undefined, () => {});
}

let assigned = 0;
const stop = new AbortController();
process.once("disconnect", () => stop.abort());

await registry.guard.open(stop.signal);
await new Engine({
  ...common,
  machineId: "b".repeat(32),
  leaderTtlMs: 5_000,
  agentTtlMs: options.agentTtlMs,
  registry: {
    leadership: registry.leadership,
    overdueMachines: (machineIds, signal) => registry.overdueMachines(machineIds, signal),
    raiseFormat: (term) => registry.raiseFormat(term),
    recordEvents: (term, write, signal) => registry.recordEvents(term, write, signal),
    async *followCluster(signal: AbortSignal, observer?: FollowObserver): AsyncGenerator<ChangeBatch, void> {
      let first = true;
      for await (const batch of registry.followCluster(signal, observer)) {
        yield batch;
        if (first) tell({ kind: "loaded", atMs: wallMs(), cpuMs: cpuMs() });
        first = false;
      }
    },
    async commit(term, writes: readonly EngineWrite[], signal) {
      const placed = writes.filter(({ op }) => op === "assign" || op === "assign-exclusive").length;
      if (placed > 0) tell({ kind: "deciding", atMs: wallMs() });
      const result = await registry.commit(term, writes, signal);
      if (result.outcome === "committed") assigned += placed;
      if (placed > 0) tell({ kind: "committed", assigned, atMs: wallMs(), cpuMs: cpuMs() });
      return result;
    },
  },
}).run(stop.signal);
store.close();
