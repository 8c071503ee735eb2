import type { ApiUnit } from "@fleet/api/client";
import { requirementsOf } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { mapBounded } from "../bounded.ts";
import type { Invocation } from "../invocation.ts";
import { unitNamesOf } from "./unit-argument.ts";

/**
 * The units the arguments name, in their order. Those the registry does not have are skipped, and named on
 * stderr. None at all is said in fleet's words.
 */
export async function findUnits(call: Invocation): Promise<readonly ApiUnit[]> {
  const names = unitNamesOf(call.args);
  const client = await call.connect();
  const answers = await wordedAs(
    (reason) => `Error retrieving list of units from fleet API (${reason})`,
    mapBounded(names, async (name) => ({ name, unit: await client.unit(name, call.signal) })),
  );
  const found: ApiUnit[] = [];
  const unknown: string[] = [];
  for (const { name, unit } of answers) {
    if (unit === undefined) unknown.push(name);
    else found.push(unit);
  }
  if (found.length === 0) call.say("Units not found in registry");
  else for (const name of unknown) call.say(`Unit ${name} not found in registry: skipped`);
  return found;
}

export function isGlobal(unit: ApiUnit): boolean {
  return requirementsOf(unit.name, unit.options).global;
}
