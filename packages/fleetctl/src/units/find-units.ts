import type { ApiUnit, FleetClient } from "@fleet/api/client";
import { isGlobalUnit } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { nearUnits } from "./near-units.ts";
import { type Expansion, expandPatterns } from "./patterns.ts";
import { unitNamesOf } from "./unit-argument.ts";

/**
 * The units that the arguments name or that their patterns match, in the order of the arguments, those of a pattern
 * by name. Of the units it matches a pattern takes those that `takes` lets through.
 *
 * Names that the registry does not have are skipped, and named on stderr. None at all is said in fleet's words, and
 * is no failure, as in fleet; with a pattern, which fleet did not know, it throws CommandFailure.
 */
export async function findUnits(
  call: Invocation,
  takes?: (unit: ApiUnit) => boolean,
): Promise<readonly ApiUnit[]> {
  return await unitsOf(call, await expandPatterns(call, takes));
}

/** The same for arguments whose patterns are expanded already. */
export async function unitsOf(call: Invocation, expansion: Expansion): Promise<readonly ApiUnit[]> {
  const { args, matched, unmatched } = expansion;
  const client = await call.connect();
  const names = unitNamesOf(args);
  const answered = await wordedAs(
    (reason) => `Error retrieving list of units from fleet API (${reason})`,
    client.unitsNamed(
      names.filter((name) => !matched.has(name)),
      call.signal,
    ),
  );
  const unitOf = (name: string): ApiUnit | undefined => matched.get(name) ?? answered.get(name);
  const found = names.map(unitOf).filter((unit) => unit !== undefined);
  const unknown = names.filter((name) => unitOf(name) === undefined);
  if (unknown.length > 0) await sayUnknown(call, client, unknown, found.length === 0);
  if (found.length === 0 && unmatched > 0) throw new CommandFailure("Nothing to do");
  return found;
}

async function sayUnknown(
  call: Invocation,
  client: FleetClient,
  unknown: readonly string[],
  isAll: boolean,
): Promise<void> {
  const hints = await nearUnits(unknown, client, call.signal);
  if (isAll) call.say("Units not found in registry");
  for (const name of unknown) {
    if (!isAll) call.say(`Unit ${name} not found in registry: skipped`);
    for (const hint of hints.get(name) ?? [])
      call.say(unknown.length > 1 ? `  ${name}: ${hint}` : `  ${hint}`);
  }
}

export function isGlobal(unit: ApiUnit): boolean {
  return isGlobalUnit(unit.name, unit.options);
}

/** Whether a unit is on a machine, or, a global one, is to be on all that fit. */
export function isActivated(unit: ApiUnit): boolean {
  const state = isGlobal(unit) ? unit.desiredState : (unit.currentState ?? "inactive");
  return state !== "inactive";
}
