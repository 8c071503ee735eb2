import { stat } from "node:fs/promises";
import type { ApiUnit } from "@fleet/api/client";
import { isWellFormedGlob, matchGlob } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { hasKnownType, requireUnitName, unitNameOf, unitPathOf } from "./unit-argument.ts";

/** Whether a text is matched. */
export type Glob = (text: string) => boolean;

/** The arguments of a command, once the cluster was asked what its patterns match. */
export interface Expansion {
  /** The arguments, the names of the units it matches in place of each pattern. */
  readonly args: readonly string[];
  /** The units that a pattern matched, by name. */
  readonly matched: ReadonlyMap<string, ApiUnit>;
  /** The number of patterns that matched nothing. */
  readonly unmatched: number;
}

/**
 * Puts the units that they match in place of patterns. Of the cluster's units a pattern takes those that `takes`
 * lets through. Asks the cluster only when there is a pattern. One that matches nothing is said on stderr; throws
 * CommandFailure when nothing is left at all.
 */
export async function expandPatterns(
  call: Invocation,
  takes: (unit: ApiUnit) => boolean = () => true,
): Promise<Expansion> {
  const globs = new Map<string, Glob>();
  for (const arg of call.args) if (await isPattern(arg)) globs.set(arg, unitGlobOf(arg));
  const matched = new Map<string, ApiUnit>();
  if (globs.size === 0) return { args: call.args, matched, unmatched: 0 };

  const units = await allUnits(call);
  const unmatched: string[] = [];
  const args = call.args.flatMap((arg) => {
    const glob = globs.get(arg);
    if (glob === undefined) return [arg];
    const found = units.filter((unit) => glob(unit.name) && takes(unit));
    for (const unit of found) matched.set(unit.name, unit);
    if (found.length === 0)
      unmatched.push(nothingMatches(arg, units.filter((unit) => glob(unit.name)).length));
    return found.map((unit) => unit.name);
  });
  if (args.length === 0) throw new CommandFailure(unmatched.join("; "));
  for (const line of unmatched) call.say(line);
  return { args, matched, unmatched: unmatched.length };
}

/** `unfit` units match, but are none for this command. */
function nothingMatches(pattern: string, unfit: number): string {
  const quoted = JSON.stringify(pattern);
  if (unfit === 0) return `No unit in the cluster matches ${quoted}`;
  return `${quoted} matches only units that this command cannot act on (${unfit})`;
}

async function allUnits(call: Invocation): Promise<readonly ApiUnit[]> {
  const client = await call.connect();
  const units = await wordedAs(
    (reason) => `Error retrieving list of units from fleet API (${reason})`,
    client.units(call.signal),
  );
  return [...units].sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** Whether a name is one of those that arguments of a listing choose, by name or by pattern. */
export function unitMatcher(args: readonly string[]): Glob {
  if (args.length === 0) return () => true;
  const globs = args.map((arg) => {
    if (hasWildcard(arg)) return unitGlobOf(arg);
    const name = unitNameOf(arg);
    requireUnitName(name);
    return (text: string) => text === name;
  });
  return (name) => globs.some((glob) => glob(name));
}

/** Whether an argument is to be matched against the cluster: it has a wildcard, and is no file's path. */
async function isPattern(arg: string): Promise<boolean> {
  return hasWildcard(arg) && !(await isFile(arg)) && !(await isFile(unitPathOf(arg)));
}

export function hasWildcard(text: string): boolean {
  return /[*?[]/.test(text);
}

/**
 * Matches the name of a unit, or, like all arguments, the name without `.service` unless the pattern ends in a
 * type. Throws CommandFailure for a malformed pattern and for a path.
 */
function unitGlobOf(pattern: string): Glob {
  if (pattern.includes("/")) {
    // `./units/*` in a directory without files must not mean every unit of the cluster.
    throw new CommandFailure(
      `${pattern}: no such file; a pattern for the units of the cluster has no slash in it`,
    );
  }
  const whole = globOf(pattern);
  if (hasKnownType(pattern)) return whole;
  const service = globOf(`${pattern}.service`);
  return (name) => whole(name) || service(name);
}

/** A pattern as shells have them: `*`, `?`, `[a-z]`, `[!a-z]`. Throws CommandFailure for a malformed one. */
export function globOf(pattern: string): Glob {
  const glob = pattern
    // As systemctl has it: unit names have backslashes of their own (`srv-my\x2ddata.mount`), and no wildcards.
    .replaceAll("\\", "\\\\")
    .replace(/\[!([^\]]*\])/g, "[^$1");
  if (!isWellFormedGlob(glob)) throw new CommandFailure(`${pattern}: malformed pattern`);
  return (text) => matchGlob(glob, text);
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
