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
      const more = await oneUnitMoreTimes(etcd);
      // The leader is idle by now: what is put here has the machine for itself, as it had.
      const raw = await etcd.rawWrites({
        from: `${keys.prefix}assignments/`,
        except: "/@settled",
        to: "/raw",
      });
      if (raw.rows < units) throw new Error(`${raw.rows} of ${units} units are assigned`);
      return {
        seconds,
        measurements: [
          {
            figure: "placements",
            value: units / seconds,
            unit: "1/s",
            limit: {
              what: "the same keys put by the library alone, in a process as fresh as the leader's",
              value: raw.rows / raw.seconds,
            },
            bars: [
              { of: "value", atLeast: 20_000 },
              { of: "ratio", atLeast: 0.5 },
            ],
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
