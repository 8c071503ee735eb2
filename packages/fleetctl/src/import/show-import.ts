import type { Invocation } from "../invocation.ts";
import { tabTable } from "../output/tab-table.ts";
import { type ImportOutcome, needsTarget } from "./apply-import.ts";
import type { ImportSource } from "./import-source.ts";
import { type MachineDifference, pairs } from "./machine-differences.ts";
import { type PlannedImport, runningInBoth } from "./plan-import.ts";

/** Names listed in one line at most; the table has all of them. */
const maxNames = 5;

export interface ShownImport {
  readonly source: ImportSource;
  readonly plan: readonly PlannedImport[];
  readonly machines: readonly MachineDifference[];
}

/** The plan for programs; `outcome` once it has been carried out. */
export function importJson({ source, plan, machines }: ShownImport, outcome?: ImportOutcome): unknown {
  return {
    from: source.from,
    units: plan.map(({ name, content, there, here, wanted, problems, warnings }) => ({
      name,
      content,
      ...(there === undefined ? {} : { there }),
      ...(here === undefined ? {} : { here }),
      ...(wanted === undefined ? {} : { wanted }),
      problems,
      warnings,
    })),
    skipped: source.skipped,
    runningInBoth: runningInBoth(source, plan),
    machines: machines.map(({ id, metadataThere, metadataHere }) => ({
      id,
      metadataThere,
      metadataHere: metadataHere ?? null,
    })),
    applied: outcome ?? null,
  };
}

/** Prints the plan as a table, and says what deserves attention. */
export function showPlan(call: Invocation, { source, plan, machines }: ShownImport): void {
  const heading = ["UNIT", "CONTENT", "TARGET"].map((text) => ({ text }));
  const rows = plan.map((unit) => [
    { text: unit.name },
    { text: unit.content, look: unit.content === "refused" ? ("failed" as const) : undefined },
    { text: targetText(unit) },
  ]);
  if (rows.length > 0) call.print(tabTable([heading, ...rows], call.paint));
  for (const name of source.skipped) call.say(`${name} is no unit: skipped`);
  for (const unit of plan) sayOfUnit(call, unit);
  sayOfMachines(call, source, machines);
  sayOfBoth(call, source, runningInBoth(source, plan));
}

function targetText({ content, here, wanted }: PlannedImport): string {
  if (content === "refused") return "-";
  if (here === undefined || here === wanted) return wanted ?? "-";
  return `${here} -> ${wanted}`;
}

function sayOfUnit(call: Invocation, unit: PlannedImport): void {
  for (const problem of unit.problems) call.say(`Unit ${unit.name} is refused: ${problem}`);
  for (const warning of unit.warnings) call.say(`WARNING: Unit ${unit.name}: ${warning}`);
  if (unit.content === "differs") {
    call.say(
      `WARNING: Unit ${unit.name} has other content here: it is left as it is. Add --replace to override.`,
    );
  }
}

function sayOfMachines(call: Invocation, source: ImportSource, machines: readonly MachineDifference[]): void {
  if (source.kind !== "cluster") return;
  call.say(
    "Not taken over: machines and their metadata, also what was set through the API (fleet.conf, PATCH /machines)",
  );
  for (const { id, metadataThere, metadataHere } of machines) {
    const here = metadataHere === undefined ? "not here" : `here ${pairs(metadataHere)}`;
    call.say(`  machine ${id}: there ${pairs(metadataThere)}, ${here}`);
  }
}

function sayOfBoth(call: Invocation, { from }: ImportSource, names: readonly string[]): void {
  if (names.length === 0) return;
  call.say(
    `WARNING: launched here, and STILL RUNNING IN THE OLD CLUSTER until stopped there: ${shortened(names)}`,
  );
  call.say(
    `  Stop them there with \`fleetctl --endpoint=${from} unload UNIT...\`, or import with --max-state=inactive and move them one by one.`,
  );
}

function shortened(names: readonly string[]): string {
  const more = names.length - maxNames;
  return names.slice(0, maxNames).join(" ") + (more > 0 ? ` and ${more} more` : "");
}

/** What the plan comes to, and how to carry it out. */
export function sayDryRun(call: Invocation, plan: readonly PlannedImport[]): void {
  const of = (content: PlannedImport["content"]): number =>
    plan.filter((unit) => unit.content === content).length;
  const targets = plan.filter((unit) => unit.content === "same" && needsTarget(unit)).length;
  const parts = [
    [of("create"), "to create"],
    [of("replace"), "to replace"],
    [targets, "to change in target state"],
    [of("differs"), "different and kept"],
    [of("refused"), "refused"],
  ] as const;
  const told = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  call.say(`${count(plan.length, "unit")}: ${told.join(", ") || "nothing to do"}`);
  const changes = of("create") + of("replace") + targets;
  if (changes > 0) call.say("Nothing has been changed: add --yes to do it.");
}

export function sayOutcome(call: Invocation, outcome: ImportOutcome): void {
  for (const { name, problem } of outcome.refused) call.say(`Unit ${name} is refused: ${problem}`);
  call.say(
    `${count(outcome.written, "unit")} written, ${count(outcome.raised, "target state")} changed; ` +
      "`fleetctl list-unit-files` shows where they stand.",
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
