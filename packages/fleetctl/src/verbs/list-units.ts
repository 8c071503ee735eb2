import type { ApiUnitState } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { type Column, chosenFields, printJson, printTable } from "../output/listing.ts";
import { MachineBook } from "../output/machine-book.ts";

interface Row {
  readonly state: ApiUnitState;
  readonly machines: MachineBook;
}

const columns: Readonly<Record<string, Column<Row>>> = {
  unit: ({ state }) => state.name,
  load: ({ state }) => state.systemdLoadState || "-",
  active: ({ state }) => state.systemdActiveState || "-",
  sub: ({ state }) => state.systemdSubState || "-",
  machine: ({ state, machines }, full) =>
    state.machineID === "" ? "-" : machines.legend(state.machineID, full),
  hash: ({ state }, full) => (full ? state.hash : state.hash.slice(0, 7)) || "-",
};

export async function listUnits(call: Invocation): Promise<number> {
  const fields = chosenFields(call, columns);
  const client = await call.connect();
  const states = await wordedAs(
    (reason) => `Error retrieving list of units from repository: ${reason}`,
    client.states({}, call.signal),
  );
  const rows = [...states].sort(byNameAndMachine);
  if (call.flags.on("json")) {
    printJson(call, rows);
    return 0;
  }
  const machines = await MachineBook.for(rows, client, call.signal);
  printTable(
    call,
    fields,
    rows.map((state) => ({ state, machines })),
  );
  return 0;
}

function byNameAndMachine(left: ApiUnitState, right: ApiUnitState): number {
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  return left.machineID < right.machineID ? -1 : 1;
}
