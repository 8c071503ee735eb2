import type { Benchmark } from "../benchmark.ts";
import { placements } from "./placements.ts";

/** In the order in which they are run. */
export const benchmarks: readonly Benchmark[] = [placements];
