import type { ApiExplanation } from "@fleet/api/client";
import { machineIdLegend } from "./machine-legend.ts";

/** What helps a unit that waits, as lines: the machine that would nearly do, and what would change it. */
export function adviceOf({ nearest, remedies }: ApiExplanation): readonly string[] {
  const all = nearest?.obstacles.join(", and ") ?? "";
  return [
    ...(nearest === undefined ? [] : [`nearest: ${machineIdLegend(nearest.machineID, false)}, which ${all}`]),
    ...remedies.map((remedy) => `would help: ${remedy}`),
  ];
}
