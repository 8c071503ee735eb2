import type { ApiUnitState, ClientMachine } from "@fleet/api/client";
import { LiveRows, type LiveRowsOptions } from "../../../../packages/fleetctl/src/live/live-rows.ts";
import type { Columns } from "../../../../packages/fleetctl/src/output/columns.ts";
import type { Listing, Row, View } from "../../../../packages/fleetctl/src/output/listing.ts";

export function machineOf(id: string): ClientMachine {
  return { id, primaryIP: `10.0.0.${id}`, metadata: {} };
}

export function stateOf(name: string, machineID: string, active = "active"): ApiUnitState {
  const states = { systemdLoadState: "loaded", systemdActiveState: active, systemdSubState: "x" };
  return { name, machineID, hash: "", ...states };
}

/** How often a cell has been worked out. */
export const work = { cells: 0 };

function counted(text: (row: Row<ApiUnitState>) => string): Columns<Row<ApiUnitState>>[string] {
  return {
    text: (row) => {
      work.cells += 1;
      return text(row);
    },
  };
}

const columns: Columns<Row<ApiUnitState>> = {
  unit: counted(({ item }) => item.name),
  machine: counted(({ item, machines }) => machines.legend(item.machineID, true)),
  active: counted(({ item }) => item.systemdActiveState),
};

/** The key of a unit's row on machine 1. */
export function key(name: string): string {
  return `${name}\0${1}`;
}

export const listing: Listing<ApiUnitState> = {
  thing: "unit",
  columns,
  keyOf: ({ name, machineID }) => `${name}\0${machineID}`,
  machineOf: ({ machineID }) => machineID,
  // As with --state.
  chosen: () => (state) => state.systemdActiveState !== "hidden",
  json: (state) => state,
  read: () => Promise.reject(new Error("nobody to ask")),
  kind: "states",
  changes: () => ({ put: [], removed: [] }),
};

/** By the active state downwards, or by name alone. */
function viewSortedBy(sort: "active" | undefined): View<ApiUnitState> {
  return {
    fields: Object.entries(columns),
    order: {
      keysOf: ({ item }) => (sort === undefined ? [] : [item.systemdActiveState]),
      compare: ([left = ""], [right = ""]) => (left < right ? 1 : left > right ? -1 : 0),
    },
    full: true,
    legend: true,
  };
}

export function liveRows(options: Partial<LiveRowsOptions> = {}, sort?: "active"): LiveRows<ApiUnitState> {
  return new LiveRows(listing, viewSortedBy(sort), { machine: "", json: false, markMs: 0, ...options });
}
