import type { Benchmark, Measurement, Progress } from "../benchmark.ts";
import { LabBench, unitNames } from "../lab-bench.ts";
import { cpuMs } from "../process-usage.ts";

const machines = 3;
const units = 300;

export const startMany: Benchmark = {
  name: "start-many",
  what: `${units} units on ${machines} real machines, from fleetctl start --no-block until all are active`,
  runs: 3,
  run: (progress, scale) =>
    LabBench.with(machines, progress, (lab) => startAndCompare(lab, scale(units), progress)),
};

async function startAndCompare(
  lab: LabBench,
  count: number,
  progress: Progress,
): Promise<readonly Measurement[]> {
  const warm = unitNames("warm", 2 * machines);
  await lab.startAll(warm);
  await lab.destroyAll(warm);
  const before = await startDirectly(lab, "before", count);
  const names = unitNames("many", count);
  const files = lab.unitFiles(names);
  const cpuBefore = lab.fleetds.map(cpuMs);
  const begunMs = performance.now();
  const active = lab.states.until(names, (row) => row.active === "active");
  await lab.fleetctl("start", "--no-block", ...files);
  const returnedMs = performance.now() - begunMs;
  await active;
  const ms = performance.now() - begunMs;
  const cpu = lab.fleetds.map((pid, index) => Math.round(cpuMs(pid) - (cpuBefore[index] ?? 0)));
  await assertActive(lab, names);
  await lab.destroyAll(names);
  const after = await startDirectly(lab, "after", count);
  progress(
    `active after ${ms.toFixed(0)} ms, fleetctl returned after ${returnedMs.toFixed(0)}; directly ${before.toFixed(0)} and ${after.toFixed(0)} ms; CPU of the fleetds ${cpu.join(", ")} ms`,
  );
  return [
    {
      figure: `${units} units until all are active`,
      value: ms,
      unit: "ms",
      limit: {
        what: "the same unit files written and all started at once over D-Bus, mean of before and after",
        value: (before + after) / 2,
      },
      bars: [{ of: "ratio", atMost: 2 }],
    },
  ];
}

/** Milliseconds to write the same files on the same machines and to start them, all at once, by systemd itself. */
function startDirectly(lab: LabBench, stem: string, count: number): Promise<number> {
  return lab.direct(async (systemds) => {
    const parts = lab.machines.map((machine) => unitNames(`${stem}-${machine.name}`, count / machines));
    const begunMs = performance.now();
    await Promise.all(
      systemds.map(async (systemd, index) => {
        const names = parts[index] ?? [];
        lab.writeDirectly(lab.turn(index), names);
        await Promise.all(names.map((name) => systemd.start(name)));
      }),
    );
    const ms = performance.now() - begunMs;
    await Promise.all(
      systemds.map(async (systemd, index) => {
        const names = parts[index] ?? [];
        await Promise.all(names.map((name) => systemd.stop(name)));
        lab.removeDirectly(lab.turn(index), names);
      }),
    );
    return ms;
  });
}

/** What the rows say is to be true. */
async function assertActive(lab: LabBench, names: readonly string[]): Promise<void> {
  const counts = await lab.direct((systemds) =>
    Promise.all(systemds.map((systemd) => systemd.countActive(names))),
  );
  const active = counts.reduce((sum, count) => sum + count, 0);
  if (active !== names.length) throw new Error(`systemd says that ${active} of ${names.length} are active`);
}
