import { hostAbilities } from "@fleet/lab";
import { describe } from "vitest";

const { fullMachines } = await hostAbilities();

/**
 * `describe` for what needs full machines. Where none can run its tests are skipped, which its name tells, and why.
 *
 * Clusters belong into the body: hooks of a file would run all the same.
 */
export function describeFullMachines(name: string, body: () => void): void {
  if (fullMachines.possible) describe(name, body);
  else describe.skip(`${name} (skipped: no full machines here: ${fullMachines.reason})`, body);
}
