import type { TargetState } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { applyImport } from "./apply-import.ts";
import type { ImportSource } from "./import-source.ts";
import { machineDifferences } from "./machine-differences.ts";
import { type Destination, planImport } from "./plan-import.ts";
import { importJson, sayDryRun, sayOutcome, showPlan } from "./show-import.ts";

/**
 * Shows what would become of the source's units here and, with --yes, does it. Resolves to the exit code: 1 when --yes
 * could not take all of it.
 */
export async function runImport(
  call: Invocation,
  source: ImportSource,
  takes: (name: string) => boolean,
): Promise<number> {
  const { flags } = call;
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

async function readDestination({ connect, signal }: Invocation): Promise<Destination> {
  const client = await connect();
  const [units, machines] = await wordedAs(
    (reason) => `Error retrieving list of units from fleet API (${reason})`,
    Promise.all([client.units(signal), client.machines(signal)]),
  );
  return { units, machines };
}

/** The flags take nothing else. */
export function targetOf(text: string): TargetState {
  return text === "launched" || text === "loaded" ? text : "inactive";
}

function printDocument(call: Invocation, document: unknown): void {
  call.print(`${JSON.stringify(document, undefined, 2)}\n`);
}
