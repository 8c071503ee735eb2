import { findCommand } from "../cli/commands/commands.ts";
import { UsageError } from "../cli/flag.ts";
import type { Invocation } from "../invocation.ts";
import { commandPage, programPage } from "../manual/pages.ts";

export async function man(call: Invocation): Promise<number> {
  const [word, ...more] = call.args;
  if (more.length > 0) throw new UsageError("man takes the name of one command");
  call.print(word === undefined ? programPage() : commandPage(findCommand(word)));
  return 0;
}
