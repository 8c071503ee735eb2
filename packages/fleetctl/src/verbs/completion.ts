import { UsageError } from "../cli/flag.ts";
import { completionScripts } from "../completion/scripts.ts";
import type { Invocation } from "../invocation.ts";

export async function completion(call: Invocation): Promise<number> {
  const [shell = "", ...more] = call.args;
  const script = Object.hasOwn(completionScripts, shell) ? completionScripts[shell] : undefined;
  if (script === undefined || more.length > 0) {
    throw new UsageError(
      `completion takes the name of a shell: ${Object.keys(completionScripts).join(", ")}`,
    );
  }
  call.print(script);
  return 0;
}
