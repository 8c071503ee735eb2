import { UsageError } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import type { ImportSource } from "../import/import-source.ts";
import { runImport, targetOf } from "../import/run-import.ts";
import { isEndpoint, readSourceCluster } from "../import/source-cluster.ts";
import { readSourceDirectory } from "../import/source-directory.ts";
import type { Invocation } from "../invocation.ts";
import { unitMatcher } from "../units/patterns.ts";

/** Shows what would be taken over and, with --yes, does it. Exits with 1 when --yes could not take all of it. */
export async function importUnits(call: Invocation): Promise<number> {
  const takes = unitMatcher(call.args);
  const source = await readSource(call);
  sayUnmatched(call, source);
  return await runImport(call, source, takes);
}

async function readSource(call: Invocation): Promise<ImportSource> {
  const { flags } = call;
  const from = flags.text("from");
  if (from === "")
    throw new UsageError("import needs --from: the endpoint of a fleet, or a directory of unit files");
  if (!isEndpoint(from)) return await readSourceDirectory(from, targetOf(flags.text("state")));
  if (flags.given("state")) {
    throw new UsageError(
      "--state is for a directory: a cluster has target states of its own (see --max-state)",
    );
  }
  return await readSourceCluster(call, from);
}

/** Names the arguments that choose nothing. Throws CommandFailure when none of them chooses anything. */
function sayUnmatched(call: Invocation, { from, units, unreadable }: ImportSource): void {
  const names = [...units, ...unreadable].map(({ name }) => name);
  const unmatched = call.args.filter((arg) => !names.some(unitMatcher([arg])));
  const lines = unmatched.map((arg) => `No unit in ${from} matches ${JSON.stringify(arg)}`);
  if (lines.length > 0 && lines.length === call.args.length) throw new CommandFailure(lines.join("; "));
  for (const line of lines) call.say(line);
}
