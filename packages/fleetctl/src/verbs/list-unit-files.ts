import type { ApiUnit } from "@fleet/api/client";
import { unitHash } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import type { Look } from "../output/colors.ts";
import { type Columns, chosenFields, printJson, printTable, sortedRows } from "../output/listing.ts";
import type { MachineBook } from "../output/machine-book.ts";
import { rowsOnMachines } from "../output/machine-filter.ts";
import { targetStatesOf } from "../output/state-filter.ts";
import { isGlobal } from "../units/find-units.ts";
import { unitMatcher } from "../units/patterns.ts";

interface Row {
  readonly unit: ApiUnit;
  readonly machines: MachineBook;
}

const columns: Columns<Row> = {
  unit: { text: ({ unit }) => unit.name },
  hash: { text: ({ unit }, full) => (full ? unitHash(unit.options) : unitHash(unit.options).slice(0, 7)) },
  desc: { text: ({ unit }) => descriptionOf(unit) },
  dstate: { text: ({ unit }) => unit.desiredState },
  state: {
    // A global unit has a state on every machine: list-units shows them.
    text: ({ unit }) => (isGlobal(unit) ? "-" : (unit.currentState ?? "-")),
    look: ({ unit }) =>
      isGlobal(unit) || (unit.currentState ?? "inactive") === unit.desiredState ? undefined : "underway",
  },
  target: { text: targetOf, look: targetLook },
  tmachine: { text: targetOf, look: targetLook },
  global: { text: ({ unit }) => String(isGlobal(unit)) },
};

function targetOf({ unit, machines }: Row, full: boolean): string {
  if (isGlobal(unit)) return "global";
  return unit.machineID === undefined ? "-" : machines.legend(unit.machineID, full);
}

function targetLook({ unit: { machineID }, machines }: Row): Look | undefined {
  return machineID === undefined || machines.isPresent(machineID) ? undefined : "gone";
}

function descriptionOf(unit: ApiUnit): string {
  const option = unit.options.find(({ section, name }) => section === "Unit" && name === "Description");
  // A continued or tabbed description must not break the table.
  return option?.value.replace(/\s+/g, " ") || "-";
}

export async function listUnitFiles(call: Invocation): Promise<number> {
  const fields = chosenFields(call, columns);
  const isChosen = unitMatcher(call.args);
  const list = call.flags.text("state");
  const states = list === "" ? undefined : targetStatesOf(list);
  const client = await call.connect();
  const all = await wordedAs(
    (reason) => `Error retrieving list of units from repository: ${reason}`,
    client.units(call.signal),
  );
  const wanted = all
    .filter((unit) => isChosen(unit.name) && (states === undefined || isInState(unit, states)))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  const { rows: units, machines } = await rowsOnMachines(call, wanted, all);
  const rows = sortedRows(
    call,
    columns,
    units.map((unit) => ({ unit, machines })),
  );
  if (call.flags.on("json")) {
    printJson(
      call,
      rows.map(({ unit }) => ({ ...unit, hash: unitHash(unit.options), global: isGlobal(unit) })),
    );
  } else printTable(call, fields, rows);
  return 0;
}

function isInState(unit: ApiUnit, states: ReadonlySet<string>): boolean {
  return states.has(unit.desiredState) || (unit.currentState !== undefined && states.has(unit.currentState));
}
