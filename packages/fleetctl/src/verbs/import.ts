import type { TargetState } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { UsageError } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import { applyImport } from "../import/apply-import.ts";
import type { ImportSource } from "../import/import-source.ts";
import { machineDifferences } from "../import/machine-differences.ts";
import { type Destination, planImport } from "../import/plan-import.ts";
import { importJson, sayDryRun, sayOutcome, showPlan } from "../import/show-import.ts";
import { isEndpoint, readSourceCluster } from "../import/source-cluster.ts";
import { readSourceDirectory } from "../import/source-directory.ts";
import type { Invocation } from "../invocation.ts";
import { unitMatcher } from "../units/patterns.ts";

/** Shows what would be taken over and, with --yes, does it. Exits with 1 when --yes could not take all of it. */
export async function importUnits(call: Invocation): Promise<number> {
  const { flags, args } = call;
  const takes = unitMatcher(args);
  const source = await readSource(call);
  sayUnmatched(call, source);
  const destination = await readDestination(call);
  const rules = { maxState: targetOf(flags.text("max-state")), replace: flags.on("replace"), takes };
  const plan = planImport(source, destination, rules);
  const machines = machineDifferences(source.machines, destination.machines);
  const shown = { source, plan, machines };
  const json = flags.on("json");
  if (!json) showPlan(call, shown);
  if (!flags.on("yes")) {
    if (json) printDocument(call, importJson(shown));
    else sayDryRun(call, plan);
    return 0;
  }
  const outcome = await applyImport(plan, await call.connect(), call.signal);
  if (json) printDocument(call, importJson(shown, outcome));
  else sayOutcome(call, outcome);
  const complete = outcome.refused.length === 0 && plan.every(({ content }) => content !== "refused");
  return complete ? 0 : 1;
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

async function readDestination({ connect, signal }: Invocation): Promise<Destination> {
  const client = await connect();
  const [units, machines] = await wordedAs(
    (reason) => `Error retrieving list of units from fleet API (${reason})`,
    Promise.all([client.units(signal), client.machines(signal)]),
  );
  return { units, machines };
}

/** The flags take nothing else. */
function targetOf(text: string): TargetState {
  return text === "launched" || text === "loaded" ? text : "inactive";
}

function printDocument(call: Invocation, document: unknown): void {
  call.print(`${JSON.stringify(document, undefined, 2)}\n`);
}
