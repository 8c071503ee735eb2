import { maxFlatOperations, maxTxnOperations } from "@fleet/registry";
import { BenchEtcd } from "../bench-etcd.ts";
import { type Benchmark, type Measurement, type Progress, type Scale, spreadOf } from "../benchmark.ts";
import { Leader } from "../leader.ts";
import { oneUnitMoreTimes } from "../one-unit-more.ts";
import { keys, machineRows, unitRows } from "../population.ts";

const MACHINES = 10_000;
const UNITS = 100_000;

export const placements: Benchmark = {
  name: "placements",
  what: `${UNITS} units onto ${MACHINES} machines by a new leader, committed in etcd`,
  runs: 3,
  run: async (progress, scale) => {
    const full = await place(scale(UNITS), progress, scale);
    const tenth = await place(scale(UNITS / 10), progress, scale);
    return [
      ...full.measurements,
      {
        figure: "time for ten times the units",
        value: full.seconds,
        unit: "s",
        limit: { what: `${UNITS / 10} units`, value: tenth.seconds },
        bars: [{ of: "ratio", atMost: 12 }],
      },
    ];
  },
};

async function place(
  units: number,
  progress: Progress,
  scale: Scale,
): Promise<{ readonly seconds: number; readonly measurements: readonly Measurement[] }> {
  const etcd = await BenchEtcd.start();
  try {
    await etcd.write(machineRows(scale(MACHINES)));
    await etcd.write(unitRows(units));
    progress(`${units} units submitted`);
    const leader = new Leader({
      endpoints: etcd.endpoints,
      logFile: `${etcd.directory.path}/engine.log`,
      agentTtlMs: 30_000,
    });
    try {
      const { atMs: loadedAtMs, cpuMs: cpuBefore } = await leader.until("loaded");
      const { atMs: decidedAtMs } = await leader.until("deciding");
      const { atMs: doneAtMs, cpuMs } = await leader.until("committed", ({ assigned }) => assigned >= units);
      const seconds = (doneAtMs - loadedAtMs) / 1_000;
      const memoryMiB = leader.peakMemoryMiB();
      progress(
        `loaded after ${((loadedAtMs - leader.startedAtMs) / 1_000).toFixed(1)} s, placed ${seconds.toFixed(1)} s later with ${((cpuMs - cpuBefore) / 1_000).toFixed(1)} s of CPU time`,
      );
      const assignments = await storedAssignments(etcd);
      if (assignments.length !== units)
        throw new Error(`${assignments.length} of ${units} units are assigned`);
      const more = await oneUnitMoreTimes(etcd);
      const raw = assignments.map(({ key, value }) => ({ key: `/raw${key}`, value }));
      const rawSeconds = await etcd.rawWriteSeconds(raw, maxFlatOperations);
      const nested = raw.map(({ key, value }) => ({ key: `/nested${key}`, value }));
      const nestedSeconds = await etcd.rawWriteSeconds(nested, maxTxnOperations);
      return {
        seconds,
        measurements: [
          {
            figure: "placements",
            value: units / seconds,
            unit: "1/s",
            limit: {
              what: `the same keys put by the library alone, ${maxFlatOperations} in a transaction, etcd's default`,
              value: units / rawSeconds,
            },
            bars: [
              { of: "value", atLeast: 20_000 },
              { of: "ratio", atLeast: 0.5 },
            ],
          },
          {
            figure: "placements, beside nested transactions",
            value: units / seconds,
            unit: "1/s",
            limit: {
              what: `the same keys put by the library alone, ${maxTxnOperations} in a transaction`,
              value: units / nestedSeconds,
            },
          },
          {
            figure: "first decision of a cold leader",
            value: (decidedAtMs - leader.startedAtMs) / 1_000,
            unit: "s",
            bars: [{ of: "value", atMost: 10 }],
          },
          {
            figure: "one unit more, intent to assignment",
            value: spreadOf(more.assigned).median,
            unit: "ms",
            limit: { what: "one put until a watch shows it", value: spreadOf(more.put).median },
            bars: [{ of: "ratio", atMost: 3 }],
          },
          { figure: "engine memory", value: memoryMiB, unit: "MiB", bars: [{ of: "value", atMost: 1_024 }] },
        ],
      };
    } finally {
      await leader.stop();
    }
  } finally {
    await etcd.stop();
  }
}

async function storedAssignments(
  etcd: BenchEtcd,
): Promise<readonly { readonly key: string; readonly value: string }[]> {
  const { from, to } = { from: `${keys.prefix}assignments/`, to: `${keys.prefix}assignments0` };
  const rows = [];
  for (let begin = from; ; ) {
    const page = await etcd.store.range({ from: begin, to, limit: 5_000 });
    rows.push(...page.rows.filter(({ key }) => !key.endsWith("/@settled")));
    const last = page.rows.at(-1);
    if (!page.more || last === undefined) return rows;
    begin = `${last.key}\0`;
  }
}
