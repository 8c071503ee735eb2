import type { Benchmark } from "../benchmark.ts";
import { busyAgent } from "./busy-agent.ts";
import { fleetctlStart } from "./fleetctl-start.ts";
import { idle } from "./idle.ts";
import { listUnits } from "./list-units.ts";
import { machinesLost } from "./machines-lost.ts";
import { oneUnit } from "./one-unit.ts";
import { placements } from "./placements.ts";
import { startMany } from "./start-many.ts";

/** In the order in which they are run. */
export const benchmarks: readonly Benchmark[] = [
  placements,
  fleetctlStart,
  listUnits,
  machinesLost,
  startMany,
  oneUnit,
  idle,
  busyAgent,
];
