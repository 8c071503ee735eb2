import { UsageError } from "../flag.ts";
import { notAvailable, refuseNotAvailable } from "../not-available.ts";
import type { Command } from "./command.ts";
import { generalCommands } from "./general-commands.ts";
import { listingCommands } from "./listing-commands.ts";
import { unitCommands } from "./unit-commands.ts";

/** Every command, by name. */
export const commands: readonly Command[] = [...unitCommands, ...listingCommands, ...generalCommands].sort(
  (left, right) => (left.name < right.name ? -1 : 1),
);

/**
 * The command a word names: its name, with underscores for dashes if one likes, or a beginning that no other
 * command shares. Throws UsageError, and CommandFailure for a command of fleet that this version lacks.
 */
export function findCommand(word: string): Command {
  const name = fullName(word.replaceAll("_", "-"), word);
  refuseNotAvailable(name);
  const command = commands.find((each) => each.name === name);
  if (command === undefined) throw new UsageError(`unknown command "${word}"`);
  return command;
}

function fullName(beginning: string, word: string): string {
  const names = [...commands.map((command) => command.name), ...notAvailable];
  if (names.includes(beginning)) return beginning;
  const matching = names.filter((name) => name.startsWith(beginning)).sort();
  if (matching.length > 1) throw new UsageError(`command "${word}" is ambiguous: ${matching.join(", ")}`);
  return matching[0] ?? beginning;
}
