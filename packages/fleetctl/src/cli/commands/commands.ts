import { didYouMean } from "../did-you-mean.ts";
import { UsageError } from "../flag.ts";
import type { Command } from "./command.ts";
import { foresightCommands } from "./foresight-commands.ts";
import { generalCommands } from "./general-commands.ts";
import { listingCommands } from "./listing-commands.ts";
import { recoveryCommands } from "./recovery-commands.ts";
import { remoteCommands } from "./remote-commands.ts";
import { transferCommands } from "./transfer-commands.ts";
import { unitCommands } from "./unit-commands.ts";

/** Every command, by name. */
export const commands: readonly Command[] = [
  ...unitCommands,
  ...listingCommands,
  ...foresightCommands,
  ...generalCommands,
  ...remoteCommands,
  ...transferCommands,
  ...recoveryCommands,
].sort((left, right) => (left.name < right.name ? -1 : 1));

/**
 * The command a word names: its name, with underscores for dashes if one likes, or a beginning that no other
 * command shares. Throws UsageError.
 */
export function findCommand(word: string): Command {
  const name = fullName(word);
  const command = commands.find((each) => each.name === name);
  if (command === undefined) throw new UsageError(`unknown command "${word}"`, didYouMean(name, names()));
  return command;
}

function fullName(word: string): string {
  if (commands.some((command) => command.name === word)) return word;
  const beginning = word.replaceAll("_", "-");
  if (names().includes(beginning)) return beginning;
  // What a word meant to fleet it means here: a new command takes only beginnings that no old one has.
  const matching = [names().filter((name) => !isNew(name)), names()]
    .map((candidates) => candidates.filter((name) => name.startsWith(beginning)).sort())
    .find((each) => each.length > 0);
  const [only, ...more] = matching ?? [];
  if (more.length > 0) throw new UsageError(`command "${word}" is ambiguous: ${matching?.join(", ")}`);
  return only ?? beginning;
}

function names(): readonly string[] {
  return commands.filter((command) => command.hidden !== true).map((command) => command.name);
}

function isNew(name: string): boolean {
  return commands.some((command) => command.name === name && command.isNew === true);
}
