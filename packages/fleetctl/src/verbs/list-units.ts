import type { ApiUnitState } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import type { Look } from "../output/colors.ts";
import { type Columns, chosenFields, printJson, printTable, sortedRows } from "../output/listing.ts";
import type { MachineBook } from "../output/machine-book.ts";
import { rowsOnMachines } from "../output/machine-filter.ts";
import { systemdStatesOf } from "../output/state-filter.ts";
import { unitMatcher } from "../units/patterns.ts";

interface Row {
  readonly state: ApiUnitState;
  readonly machines: MachineBook;
}

const columns: Columns<Row> = {
  unit: { text: ({ state }) => state.name },
  load: { text: ({ state }) => state.systemdLoadState || "-", look: ({ state }) => loadLook(state) },
  active: { text: ({ state }) => state.systemdActiveState || "-", look: ({ state }) => activeLook(state) },
  sub: { text: ({ state }) => state.systemdSubState || "-", look: ({ state }) => activeLook(state) },
  machine: {
    text: ({ state, machines }, full) =>
      state.machineID === "" ? "-" : machines.legend(state.machineID, full),
    look: ({ state, machines }) => (machines.isPresent(state.machineID) ? undefined : "gone"),
  },
  hash: { text: ({ state }, full) => (full ? state.hash : state.hash.slice(0, 7)) || "-" },
};

function loadLook({ systemdLoadState }: ApiUnitState): Look | undefined {
  return ["", "loaded", "stub", "merged"].includes(systemdLoadState) ? undefined : "failed";
}

function activeLook({ systemdActiveState }: ApiUnitState): Look | undefined {
  if (systemdActiveState === "failed") return "failed";
  return ["", "active", "inactive"].includes(systemdActiveState) ? undefined : "underway";
}

export async function listUnits(call: Invocation): Promise<number> {
  const fields = chosenFields(call, columns);
  const isChosen = unitMatcher(call.args);
  const client = await call.connect();
  const all = await wordedAs(
    (reason) => `Error retrieving list of units from repository: ${reason}`,
    client.states({}, call.signal),
  );
  const wanted = inStates(
    call.flags.text("state"),
    [...all].filter(({ name }) => isChosen(name)).sort(byNameAndMachine),
    all,
  );
  const { rows: states, machines } = await rowsOnMachines(call, wanted, all);
  const rows = sortedRows(
    call,
    columns,
    states.map((state) => ({ state, machines })),
  );
  if (call.flags.on("json")) {
    printJson(
      call,
      rows.map(({ state }) => state),
    );
  } else printTable(call, fields, rows);
  return 0;
}

/** The rows in one of the states of --state, be it load, active or sub state. */
function inStates(
  list: string,
  rows: readonly ApiUnitState[],
  all: readonly ApiUnitState[],
): readonly ApiUnitState[] {
  if (list === "") return rows;
  const wanted = systemdStatesOf(list, all.flatMap(statesOf));
  return rows.filter((row) => statesOf(row).some((state) => wanted.has(state)));
}

function statesOf(row: ApiUnitState): readonly string[] {
  return [row.systemdLoadState, row.systemdActiveState, row.systemdSubState];
}

function byNameAndMachine(left: ApiUnitState, right: ApiUnitState): number {
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  return left.machineID < right.machineID ? -1 : 1;
}
