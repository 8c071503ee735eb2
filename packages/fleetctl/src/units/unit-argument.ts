import { basename } from "node:path";
import { parseUnitName } from "@fleet/core";
import { CommandFailure } from "../failure.ts";

/** Types recognised at the end of an argument; a name that ends in none of them means a service. */
const KNOWN_TYPES = ["service", "socket", "timer", "path", "device", "mount", "automount"] as const;

/** The path an argument stands for: `./hello` means `./hello.service`. */
export function unitPathOf(argument: string): string {
  return hasKnownType(argument) ? argument : `${argument}.service`;
}

/** Whether an argument says what type of unit it means. */
export function hasKnownType(argument: string): boolean {
  return KNOWN_TYPES.some((type) => argument.endsWith(`.${type}`));
}

/** The unit an argument names: by path, by name, or by name without `.service`. */
export function unitNameOf(argument: string): string {
  return basename(unitPathOf(argument));
}

/** The units the arguments name, each once, in the order given. Throws CommandFailure when one can be no unit's name. */
export function unitNamesOf(args: readonly string[]): readonly string[] {
  const names = [...new Set(args.map(unitNameOf))];
  for (const name of names) requireUnitName(name);
  return names;
}

/** Throws CommandFailure when no unit can have this name. */
export function requireUnitName(name: string): void {
  const parsed = parseUnitName(name);
  if (!parsed.ok) throw new CommandFailure(`invalid unit name ${JSON.stringify(name)}: ${parsed.problem}`);
}
