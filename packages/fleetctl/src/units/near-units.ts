import { extname } from "node:path";
import type { FleetClient } from "@fleet/api/client";
import { meant, nearest } from "../cli/did-you-mean.ts";

/** Units among which names are looked for: a listing of more takes longer than a hint is worth. */
const maxUnits = 10_000;

/** Names looked for at once: each is compared with all units, and a list of many hints nobody reads. */
const maxNames = 5;

/** Milliseconds that looking for names may take. */
const patienceMs = 1_000;

/**
 * A hint for each name that no unit has but that resembles those of some; none when there are many names. Asks for the
 * units once. Never fails: a hint is worth no error of its own.
 */
export async function nearUnits(
  names: readonly string[],
  client: FleetClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const hints = new Map<string, readonly string[]>();
  if (names.length > maxNames) return hints;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const units = await client.units(bounded, maxUnits).catch(() => []);
  if (units.length > maxUnits) return hints;
  for (const name of names) {
    // Names of the same type are compared without it: that much they have in common anyway.
    const type = extname(name);
    const known = units.map((unit) => unit.name).filter((known) => extname(known) === type);
    const near = nearest(stem(name), known.map(stem));
    hints.set(name, meant(near.map((each) => each + type)));
  }
  return hints;
}

function stem(name: string): string {
  return name.slice(0, name.length - extname(name).length);
}
