import type { Scale } from "./benchmark.ts";
import type { LabBench } from "./lab-bench.ts";
import { cpuMs } from "./process-usage.ts";

const windowMs = 1_000;
/** Garbage is collected and connections are kept alive at this share of a core at most. */
const quietShare = 0.03;
const patienceMs = 60_000;

/** Waits until nothing has been written and no fleetd has worked for a second: what was begun is over. */
async function untilQuiet(lab: LabBench): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  const look = async () => ({ revision: await lab.states.revision(), cpu: lab.fleetds.map(cpuMs) });
  for (let before = await look(); ; ) {
    await new Promise((resolve) => setTimeout(resolve, windowMs));
    const now = await look();
    const worked = now.cpu.map((ms, index) => ms - (before.cpu[index] ?? 0));
    if (now.revision === before.revision && Math.max(...worked) <= quietShare * windowMs) return;
    if (performance.now() > deadlineMs) throw new Error(`no quiet: fleetds worked ${worked.join(", ")} ms`);
    before = now;
  }
}

/** How long after a burst of work fleetd has given memory back: 10 to 20 s, and a collection of garbage. */
export const settleMs = 30_000;

/** Waits until it is quiet and what follows from a burst of work is over, too. */
export async function untilSettled(lab: LabBench, scale: Scale): Promise<void> {
  await untilQuiet(lab);
  await new Promise((resolve) => setTimeout(resolve, scale(settleMs)));
}
