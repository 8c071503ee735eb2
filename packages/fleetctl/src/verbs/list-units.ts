import type { ApiUnitState } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import type { Look } from "../output/colors.ts";
import type { Columns } from "../output/columns.ts";
import { list, type Row } from "../output/listing.ts";
import { systemdStatesOf } from "../output/state-filter.ts";
import { unitMatcher } from "../units/patterns.ts";

const columns: Columns<Row<ApiUnitState>> = {
  unit: { text: ({ item }) => item.name },
  load: { text: ({ item }) => item.systemdLoadState || "-", look: ({ item }) => loadLook(item) },
  active: { text: ({ item }) => item.systemdActiveState || "-", look: ({ item }) => activeLook(item) },
  sub: { text: ({ item }) => item.systemdSubState || "-", look: ({ item }) => activeLook(item) },
  machine: {
    text: ({ item, machines }, full) => (item.machineID === "" ? "-" : machines.legend(item.machineID, full)),
    look: ({ item, machines }) => (machines.isPresent(item.machineID) ? undefined : "gone"),
  },
  hash: { text: ({ item }, full) => (full ? item.hash : item.hash.slice(0, 7)) || "-" },
};

function loadLook({ systemdLoadState }: ApiUnitState): Look | undefined {
  return ["", "loaded", "stub", "merged"].includes(systemdLoadState) ? undefined : "failed";
}

function activeLook({ systemdActiveState }: ApiUnitState): Look | undefined {
  if (systemdActiveState === "failed") return "failed";
  return ["", "active", "inactive"].includes(systemdActiveState) ? undefined : "underway";
}

export async function listUnits(call: Invocation): Promise<number> {
  const isNamed = unitMatcher(call.args);
  return await list<ApiUnitState>(call, {
    thing: "unit",
    columns,
    keyOf,
    machineOf: ({ machineID }) => machineID,
    chosen: (all) => {
      const isInState = stateFilter(call.flags.text("state"), all);
      return (state) => isNamed(state.name) && isInState(state);
    },
    json: (state) => state,
    read: async (client, signal) => ({
      all: await wordedAs(
        (reason) => `Error retrieving list of units from repository: ${reason}`,
        client.states({}, signal),
      ),
    }),
    kind: "states",
    changes: (message) => {
      if (message.type === "snapshot") return { put: message.states, removed: [] };
      return { put: message.states?.put ?? [], removed: message.states?.removed.map(keyOf) ?? [] };
    },
  });
}

/** No name of a unit has the character between: the order is by name, then by machine. */
function keyOf({ name, machineID }: Pick<ApiUnitState, "name" | "machineID">): string {
  return `${name}\0${machineID}`;
}

/** Which states --state lets through, be it by load, active or sub state. */
function stateFilter(list: string, all: readonly ApiUnitState[]): (state: ApiUnitState) => boolean {
  if (list === "") return () => true;
  const wanted = systemdStatesOf(list, all.flatMap(statesOf));
  return (row) => statesOf(row).some((state) => wanted.has(state));
}

function statesOf(row: ApiUnitState): readonly string[] {
  return [row.systemdLoadState, row.systemdActiveState, row.systemdSubState];
}
