import type { Benchmark, Measurement, Progress, Scale } from "../benchmark.ts";
import { LabBench, unitNames } from "../lab-bench.ts";
import { cpuMs, residentMb } from "../process-usage.ts";
import { settleMs, untilSettled } from "../quiet.ts";

const machines = 3;
const units = 500;
const idleMs = 60_000;

export const idle: Benchmark = {
  name: "idle",
  what: `${units} units on ${machines} real machines, and nothing to do for ${idleMs / 1_000} s, after ${settleMs / 1_000} s of rest`,
  runs: 1,
  run: (progress, scale) => LabBench.with(machines, progress, (lab) => watchIdle(lab, progress, scale)),
};

async function watchIdle(lab: LabBench, progress: Progress, scale: Scale): Promise<readonly Measurement[]> {
  await lab.startAll(unitNames("idle", scale(units)));
  progress(`${units} units run`);
  await untilSettled(lab, scale);
  const revisionBefore = await lab.states.revision();
  const cpuBefore = lab.fleetds.map(cpuMs);
  const begunMs = performance.now();
  // Idling takes as long as it takes: there is no condition to wait for.
  await new Promise((resolve) => setTimeout(resolve, scale(idleMs)));
  const ms = performance.now() - begunMs;
  const shares = lab.fleetds.map((pid, index) => ((cpuMs(pid) - (cpuBefore[index] ?? 0)) / ms) * 100);
  const memory = lab.fleetds.map(residentMb);
  const writes = (await lab.states.revision()) - revisionBefore;
  progress(
    `CPU ${shares.map((share) => share.toFixed(2)).join(", ")} %; memory ${memory.map((mb) => mb.toFixed(0)).join(", ")} MB; ${writes} writes`,
  );
  return [
    { figure: "writes in etcd", value: writes, unit: "writes", bars: [{ of: "value", atMost: 0 }] },
    {
      figure: "CPU of the busiest fleetd",
      value: Math.max(...shares),
      unit: "% of a core",
      bars: [{ of: "value", atMost: 0.5 }],
    },
    {
      figure: "memory of the largest fleetd",
      value: Math.max(...memory),
      unit: "MB",
      bars: [{ of: "value", atMost: 100 }],
    },
  ];
}
