import { findCommand } from "../cli/commands/commands.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { commandDocument, programDocument, shownCommands } from "../manual/documents.ts";
import { manualPage } from "../manual/manual-page.ts";
import { VERSION } from "../version.ts";

export async function man(call: Invocation): Promise<number> {
  const [word, ...more] = call.args;
  if (more.length > 0) throw new CommandFailure("man takes the name of one command");
  const document = word === undefined ? programDocument() : commandDocument(findCommand(word));
  const others = shownCommands().map(({ name }) => `fleetctl-${name}`);
  const related = word === undefined ? [...others, "systemctl"] : ["fleetctl", "systemctl"];
  call.print(manualPage(document, { version: VERSION, related }));
  return 0;
}
