import { findCommand } from "../cli/commands/commands.ts";
import { UsageError } from "../cli/flag.ts";
import type { Invocation } from "../invocation.ts";
import { commandDocument, programDocument } from "../manual/documents.ts";
import { plainText } from "../manual/plain-text.ts";

export async function help(call: Invocation): Promise<number> {
  const [word, ...more] = call.args;
  if (more.length > 0) throw new UsageError("help takes the name of one command");
  call.print(word === undefined ? globalHelp() : commandHelp(word));
  return 0;
}

export function globalHelp(): string {
  return plainText(programDocument());
}

/** Throws UsageError for a command there is not, CommandFailure for one this version lacks. */
export function commandHelp(word: string): string {
  return plainText(commandDocument(findCommand(word)));
}
