import { Cluster } from "@fleet/lab";
import { Etcd3Store, type Operation, operationBatches } from "@fleet/registry";
import { systemClock, systemRandom } from "@fleet/runtime";
import { z } from "zod";
import type { Benchmark, Measurement, Progress, Scale } from "../benchmark.ts";
import { keys, machineId, machineRows, unitRows } from "../population.ts";
import { besideBareNode, programFigures, warmUpRuns } from "../program-times.ts";

const RUNS = 15;
const UNITS_PER_MACHINE = 10;

export const listUnits: Benchmark = {
  name: "list-units",
  what: "`fleetctl list-units` of 500 and of 10 000 rows, from a daemon that has answered before",
  runs: 3,
  run: async (progress, scale) => [
    ...(await list(500, 60, progress, scale)),
    ...(await list(10_000, 250, progress, scale)),
  ],
};

async function list(
  fullRows: number,
  mostMs: number,
  progress: Progress,
  scale: Scale,
): Promise<readonly Measurement[]> {
  const rows = scale(fullRows);
  // Without an engine, which would place units that are said to run already.
  const env = { FLEET_ETCD_KEY_PREFIX: keys.prefix, FLEET_DISABLE_ENGINE: "true" };
  const cluster = await Cluster.up({ machines: 1, env });
  try {
    await write(cluster.etcd.endpoints, runningUnits(rows));
    const { endpoint } = cluster.machine("m1");
    await cluster.waitFor({
      what: `${rows} rows`,
      probe: () => cluster.states(),
      until: (states) => states.length === rows,
      timeoutMs: 30_000,
    });
    progress(`${rows} units on ${rows / UNITS_PER_MACHINE} machines are listed`);
    const commandLines = Array.from({ length: warmUpRuns + scale(RUNS) }, () => ["list-units"]);
    const times = await besideBareNode(endpoint, commandLines, (output) => {
      const lines = output.split("\n").length - 2;
      if (lines !== rows) throw new Error(`${lines} rows instead of ${rows}`);
    });
    return programFigures(`list-units of ${rows} rows`, times, mostMs);
  } finally {
    await cluster.down();
  }
}

const unitValue = z.object({ hash: z.string() });

/** Units, and what their engine and their agents would have written of them. */
function* runningUnits(count: number): Generator<Operation> {
  const machines = count / UNITS_PER_MACHINE;
  yield* machineRows(machines);
  let index = 0;
  for (const operation of unitRows(count)) {
    yield operation;
    if (operation.op !== "put") continue;
    const subject = keys.parse(operation.key);
    if (subject?.kind !== "unit") continue;
    const { hash } = unitValue.parse(JSON.parse(operation.value));
    const id = machineId(index % machines);
    const order = { v: 1, hash, target: "launched", generation: 1, awaits: [] };
    const state = { v: 1, hash, load: "loaded", active: "active", sub: "running", launched: true };
    yield { op: "put", key: keys.assignment(id, subject.name), value: JSON.stringify(order) };
    yield { op: "put", key: keys.state(id, subject.name), value: JSON.stringify(state) };
    index += 1;
  }
}

async function write(endpoints: readonly string[], operations: Iterable<Operation>): Promise<void> {
  const store = new Etcd3Store({
    clock: systemClock,
    random: systemRandom,
    endpoints,
    requestTimeoutMs: 30_000,
  });
  try {
    for (const success of operationBatches(operations)) await store.txn({ compares: [], success });
  } finally {
    store.close();
  }
}
