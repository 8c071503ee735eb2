import type { Benchmark } from "../benchmark.ts";
import { fleetctlStart } from "./fleetctl-start.ts";
import { listUnits } from "./list-units.ts";
import { placements } from "./placements.ts";

/** In the order in which they are run. */
export const benchmarks: readonly Benchmark[] = [placements, fleetctlStart, listUnits];
