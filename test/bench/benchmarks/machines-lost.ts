import { BenchEtcd } from "../bench-etcd.ts";
import type { Benchmark, Measurement, Progress, Scale } from "../benchmark.ts";
import { ClusterWatch } from "../cluster-watch.ts";
import { Leader } from "../leader.ts";
import { machineId, unitRows } from "../population.ts";
import { SimulatedMachines } from "../simulated-machines.ts";

const MACHINES = 10_000;
const UNITS = 20_000;
const LOST = 100;
const PROCESSES = 3;
/** So long that the leases outlast the registration of all on one host, and renewing them leaves it time for what is measured. */
const TTL_MS = 900_000;
/** Of those that are lost, whose leases are waited for. */
const LOST_TTL_MS = 30_000;

export const machinesLost: Benchmark = {
  name: "machines-lost",
  what: `${LOST} of ${MACHINES} machines vanish at once, with agents, leases and watches; ${UNITS} units run there`,
  runs: 1,
  run: async (progress, scale) => {
    const { machines, lost } = { machines: scale(MACHINES), lost: scale(LOST) };
    const etcd = await BenchEtcd.start();
    const watch = new ClusterWatch(etcd);
    const processes: SimulatedMachines[] = [];
    try {
      const start = (first: number, count: number, ttlMs: number): SimulatedMachines => {
        const started = new SimulatedMachines({ endpoints: etcd.endpoints, first, count, ttlMs });
        processes.push(started);
        return started;
      };
      const share = Math.ceil((machines - lost) / PROCESSES);
      for (let first = lost; first < machines; first += share)
        start(first, Math.min(share, machines - first), TTL_MS);
      const registered = (): void => progress(`${watch.machines.size} machines are registered`);
      await watch.until(() => watch.machines.size === machines - lost, registered);
      // They register last and within a moment, so that their leases end within one.
      const doomed = start(0, lost, LOST_TTL_MS);
      await watch.until(() => watch.machines.size === machines, registered);
      const memoryMiB = processes.reduce((sum, each) => sum + each.memoryMiB(), 0);
      progress(`${machines} machines are registered, ${(memoryMiB / machines).toFixed(2)} MiB each`);
      const leader = new Leader({
        endpoints: etcd.endpoints,
        logFile: `${etcd.directory.path}/engine.log`,
        agentTtlMs: LOST_TTL_MS,
      });
      try {
        return [await lose({ doomed, etcd, watch, progress, scale })];
      } finally {
        await leader.stop();
      }
    } finally {
      await Promise.all(processes.map((each) => each.kill()));
      await watch.stop();
      await etcd.stop();
    }
  },
};

async function lose({
  doomed,
  etcd,
  watch,
  progress,
  scale,
}: {
  readonly doomed: SimulatedMachines;
  readonly etcd: BenchEtcd;
  readonly watch: ClusterWatch;
  readonly progress: Progress;
  readonly scale: Scale;
}): Promise<Measurement> {
  const count = scale(LOST);
  const machinesLeft = scale(MACHINES) - count;
  await etcd.write(unitRows(scale(UNITS)));
  await watch.until(
    () => watch.running.size === scale(UNITS),
    () => progress(`${watch.assignments.size} units are assigned, ${watch.running.size} run`),
  );
  const lost = new Set(Array.from({ length: count }, (_, index) => machineId(index)));
  const units = [...watch.assignments].filter(([, machine]) => lost.has(machine)).map(([unit]) => unit);
  progress(`${count} machines with ${units.length} units lose power`);
  await doomed.kill();
  const placed = (unit: string): boolean => !lost.has(watch.assignments.get(unit) ?? machineId(0));
  await watch.until(
    () => watch.machines.size === machinesLeft && units.every(placed),
    () => progress(`${watch.machines.size} machines left, ${units.filter(placed).length} units placed again`),
  );
  return {
    figure: `from the last of ${count} lost machines until their ${units.length} units are placed again`,
    value: Math.max(0, (watch.lastAssignedAtMs - watch.lastMachineLostAtMs) / 1_000),
    unit: "s",
    bars: [{ of: "value", atMost: 1 }],
  };
}
