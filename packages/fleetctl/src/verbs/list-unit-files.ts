import type { ApiUnit, UnitSummary, WatchDelta, WatchSnapshot } from "@fleet/api/client";
import { unitHash } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import type { Look } from "../output/colors.ts";
import type { Columns } from "../output/columns.ts";
import { type Changes, list, type Row } from "../output/listing.ts";
import { targetStatesOf } from "../output/state-filter.ts";
import { isGlobal } from "../units/find-units.ts";
import { unitMatcher } from "../units/patterns.ts";

/** A unit of the cluster, with its file or with a summary of it. */
interface UnitFile {
  readonly unit: Omit<ApiUnit, "options">;
  readonly global: boolean;
  readonly description: string;
  /** Worked out from the file when asked for: that takes its time. */
  readonly hash: () => string;
}

function fromFile(unit: ApiUnit): UnitFile {
  const option = unit.options.find(({ section, name }) => section === "Unit" && name === "Description");
  const hash = (): string => unitHash(unit.options);
  return { unit, global: isGlobal(unit), description: option?.value ?? "", hash };
}

function fromSummary({ hash, global = false, description = "", ...unit }: UnitSummary): UnitFile {
  return { unit, global, description, hash: () => hash };
}

const columns: Columns<Row<UnitFile>> = {
  unit: { text: ({ item }) => item.unit.name },
  hash: { text: ({ item }, full) => (full ? item.hash() : item.hash().slice(0, 7)) },
  // A continued or tabbed description must not break the table.
  desc: { text: ({ item }) => item.description.replace(/\s+/g, " ") || "-" },
  dstate: { text: ({ item }) => item.unit.desiredState },
  state: {
    // A global unit has a state on every machine: list-units shows them.
    text: ({ item }) => (item.global ? "-" : (item.unit.currentState ?? "-")),
    look: ({ item }) =>
      item.global || (item.unit.currentState ?? "inactive") === item.unit.desiredState
        ? undefined
        : "underway",
  },
  target: { text: targetOf, look: targetLook },
  tmachine: { text: targetOf, look: targetLook },
  global: { text: ({ item }) => String(item.global) },
};

function targetOf({ item, machines }: Row<UnitFile>, full: boolean): string {
  if (item.global) return "global";
  return item.unit.machineID === undefined ? "-" : machines.legend(item.unit.machineID, full);
}

function targetLook({ item, machines }: Row<UnitFile>): Look | undefined {
  const { machineID } = item.unit;
  return machineID === undefined || machines.isPresent(machineID) ? undefined : "gone";
}

export async function listUnitFiles(call: Invocation): Promise<number> {
  const isNamed = unitMatcher(call.args);
  const states = call.flags.text("state");
  const wanted = states === "" ? undefined : targetStatesOf(states);
  return await list<UnitFile>(call, {
    thing: "unit",
    columns,
    keyOf: ({ unit }) => unit.name,
    machineOf: ({ unit }) => unit.machineID,
    chosen:
      () =>
      ({ unit }) =>
        isNamed(unit.name) && (wanted === undefined || isInState(unit, wanted)),
    json: ({ unit, hash, global }) => ({ ...unit, hash: hash(), global }),
    read: async (client, signal) => {
      const units = await wordedAs(
        (reason) => `Error retrieving list of units from repository: ${reason}`,
        client.units(signal),
      );
      return { all: units.map(fromFile) };
    },
    kind: "units",
    changes,
  });
}

function isInState({ desiredState, currentState }: UnitFile["unit"], states: ReadonlySet<string>): boolean {
  return states.has(desiredState) || (currentState !== undefined && states.has(currentState));
}

/** Streams tell of units by summaries: the files of thousands are megabytes. */
function changes(message: WatchSnapshot | WatchDelta): Changes<UnitFile> {
  if (message.type === "snapshot")
    return { put: message.summaries?.map(fromSummary) ?? message.units.map(fromFile), removed: [] };
  const { summaries, units } = message;
  return {
    put: [...(summaries?.put.map(fromSummary) ?? []), ...(units?.put.map(fromFile) ?? [])],
    removed: [...(summaries?.removed ?? []), ...(units?.removed ?? [])],
  };
}
