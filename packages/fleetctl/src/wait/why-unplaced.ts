import type { ApiExplanation } from "@fleet/api/client";
import { adviceOf } from "../output/advice.ts";

/** Causes that end by themselves: a machine is stopping the unit, or may still be running it. */
const passing: ReadonlySet<string> = new Set(["held", "exclusive"]);

/** What keeps a unit off the machines, in lines for people. */
export function whyUnplaced(explanation: ApiExplanation | "unsupported"): readonly string[] {
  if (explanation === "unsupported") return ["This server has fleet 1.0's API, which does not tell why."];
  // Placed meanwhile.
  if (explanation.verdict !== "waiting") return [];
  return [explanation.summary, ...adviceOf(explanation)];
}

/** As things stand it waits for ever. */
export function isUnplaceable(explanation: ApiExplanation | "unsupported"): boolean {
  if (explanation === "unsupported" || explanation.verdict !== "waiting") return false;
  return explanation.causes.length > 0 && !explanation.causes.some(({ cause }) => passing.has(cause));
}
