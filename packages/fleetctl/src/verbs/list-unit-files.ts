import type { ApiUnit } from "@fleet/api/client";
import { unitHash } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { type Column, chosenFields, printJson, printTable } from "../output/listing.ts";
import { MachineBook } from "../output/machine-book.ts";
import { isGlobal } from "../units/find-units.ts";

interface Row {
  readonly unit: ApiUnit;
  readonly machines: MachineBook;
}

const columns: Readonly<Record<string, Column<Row>>> = {
  unit: ({ unit }) => unit.name,
  hash: ({ unit }, full) => (full ? unitHash(unit.options) : unitHash(unit.options).slice(0, 7)),
  desc: ({ unit }) => descriptionOf(unit),
  dstate: ({ unit }) => unit.desiredState,
  // A global unit has a state on every machine: list-units shows them.
  state: ({ unit }) => (isGlobal(unit) ? "-" : (unit.currentState ?? "-")),
  target: targetOf,
  tmachine: targetOf,
  global: ({ unit }) => String(isGlobal(unit)),
};

function targetOf({ unit, machines }: Row, full: boolean): string {
  if (isGlobal(unit)) return "global";
  return unit.machineID === undefined ? "-" : machines.legend(unit.machineID, full);
}

function descriptionOf(unit: ApiUnit): string {
  const option = unit.options.find(({ section, name }) => section === "Unit" && name === "Description");
  // A continued or tabbed description must not break the table.
  return option?.value.replace(/\s+/g, " ") || "-";
}

export async function listUnitFiles(call: Invocation): Promise<number> {
  const fields = chosenFields(call, columns);
  const client = await call.connect();
  const units = await wordedAs(
    (reason) => `Error retrieving list of units from repository: ${reason}`,
    client.units(call.signal),
  );
  const rows = [...units].sort((left, right) => (left.name < right.name ? -1 : 1));
  if (call.flags.on("json")) {
    printJson(
      call,
      rows.map((unit) => ({ ...unit, hash: unitHash(unit.options), global: isGlobal(unit) })),
    );
    return 0;
  }
  const machines = await MachineBook.for(rows, client, call.signal);
  printTable(
    call,
    fields,
    rows.map((unit) => ({ unit, machines })),
  );
  return 0;
}
