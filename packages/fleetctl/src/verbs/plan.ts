import type { ApiDryRun, ApiDryRunStep, ClientMachine } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { UsageError } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { adviceOf } from "../output/advice.ts";
import { machineIdLegend } from "../output/machine-legend.ts";
import { printJson } from "../output/print-json.ts";
import { tabTable } from "../output/tab-table.ts";
import { machineNamed, readMachines } from "../remote/find-machine.ts";
import { planUnits } from "../units/plan-units.ts";

/** Shows what the cluster would do if units were started, and machines left or were lost. Nothing is changed. */
export async function plan(call: Invocation): Promise<number> {
  const [drain, without] = await machinesOf(call, ["drain", "without"]);
  if (call.args.length === 0 && drain.length === 0 && without.length === 0) {
    throw new UsageError("nothing to plan: give units, --drain or --without");
  }
  const target = call.flags.text("target") === "loaded" ? "loaded" : "launched";
  const units = await supposedUnits(call, target);
  const client = await call.connect();
  const request = { units, drain: drain.map(({ id }) => id), without: without.map(({ id }) => id) };
  const dryRun = await wordedAs((reason) => `Error planning: ${reason}`, client.dryRun(request, call.signal));
  if (dryRun === undefined) {
    throw new CommandFailure("this server has fleet 1.0's API, which plans nothing ahead");
  }
  if (call.flags.on("json")) printJson(call, dryRun);
  else call.print(textOf(call, dryRun));
  return dryRun.waiting.length === 0 ? 0 : 1;
}

/** The units as `start` would submit them. */
async function supposedUnits(call: Invocation, target: "loaded" | "launched") {
  const replace = call.flags.on("replace");
  const replaceableIn = ["inactive", "loaded", "launched"] as const;
  // Stdout is for what would happen.
  const reading: Invocation = { ...call, print: (text) => call.say(text.trimEnd()) };
  const units = call.args.length === 0 ? [] : await planUnits(reading, { target, replace, replaceableIn });
  return units.map(({ name, options }) => ({ name, options: [...options], desiredState: target }));
}

/** The machines that flags name, each by the beginning of its id or by its IP. Throws CommandFailure. */
async function machinesOf(
  call: Invocation,
  flags: readonly ["drain", "without"],
): Promise<readonly [readonly ClientMachine[], readonly ClientMachine[]]> {
  const [drain, without] = flags.map((flag) =>
    call.flags
      .text(flag)
      .split(",")
      .filter((word) => word !== ""),
  );
  if ((drain?.length ?? 0) + (without?.length ?? 0) === 0) return [[], []];
  const machines = await readMachines(call);
  const named = (words: readonly string[] = []): readonly ClientMachine[] =>
    words.map((word) => machineNamed(word, machines));
  return [named(drain), named(without)];
}

function textOf(call: Invocation, { steps, waiting }: ApiDryRun): string {
  const rows = steps.map((step) => cellsOf(step).map((text) => ({ text })));
  const heading = ["ACTION", "UNIT", "FROM", "TO", "WHY"].map((text) => ({ text }));
  const table = rows.length === 0 ? "Nothing would change.\n" : tabTable([heading, ...rows], call.paint);
  const waits = waiting.map(
    (explanation) =>
      `${[explanation.summary, ...adviceOf(explanation).map((line) => `  ${line}`)].join("\n")}\n`,
  );
  return [table, ...waits].join("\n");
}

function cellsOf({ action, unit, machineID, fromMachineID, text }: ApiDryRunStep): readonly string[] {
  const legend = (id: string | undefined): string => (id === undefined ? "-" : machineIdLegend(id, false));
  return [action, unit, legend(fromMachineID), legend(machineID), text];
}
