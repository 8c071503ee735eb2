import type { Picture } from "./picture.ts";
import { type Phase, phases, type UnitRow } from "./unit-row.ts";

export const sortKeys = ["name", "state", "machine"] as const;
export type SortKey = (typeof sortKeys)[number];

export interface UnitFilter {
  /** Undefined: any. */
  readonly phase: Phase | undefined;
  /** Id of a machine that the unit is placed on, or that reports it. */
  readonly machine: string | undefined;
  /** Words that all occur in the name or the description. */
  readonly text: string;
  readonly sort: SortKey;
  readonly descending: boolean;
}

export const allUnits: UnitFilter = {
  phase: undefined,
  machine: undefined,
  text: "",
  sort: "name",
  descending: false,
};

export interface Selection {
  readonly rows: readonly UnitRow[];
  /** Units by phase that fit the filter but for its phase. */
  readonly counts: Readonly<Record<Phase, number>>;
  /** All of these. */
  readonly total: number;
}

/**
 * The rows that fit, in order. Nothing is compared: names are kept sorted, and there are few states and machines to sort
 * into, so that ten thousand units take a few milliseconds.
 */
export function select(picture: Picture, filter: UnitFilter): Selection {
  const counts: Record<Phase, number> = {
    failed: 0,
    waiting: 0,
    moving: 0,
    starting: 0,
    stopping: 0,
    ended: 0,
    active: 0,
    loaded: 0,
    inactive: 0,
  };
  const wanted = filter.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const rows: UnitRow[] = [];
  let total = 0;
  for (const name of picture.unitNames) {
    const row = picture.row(name);
    if (row === undefined || !isOn(row, filter.machine)) continue;
    if (!wanted.every((word) => row.haystack.includes(word))) continue;
    counts[row.phase] += 1;
    total += 1;
    if (filter.phase === undefined || row.phase === filter.phase) rows.push(row);
  }
  const sorted = sortRows(picture, rows, filter.sort);
  return { rows: filter.descending ? sorted.reverse() : sorted, counts, total };
}

function isOn(row: UnitRow, machine: string | undefined): boolean {
  return machine === undefined || row.machine === machine || row.reportedBy.includes(machine);
}

function sortRows(picture: Picture, rows: UnitRow[], key: SortKey): UnitRow[] {
  switch (key) {
    case "name":
      return rows;
    case "state":
      return inBuckets(rows, phases, ({ phase }) => phase);
    case "machine":
      return inBuckets(
        rows,
        [...picture.gone.map(({ id }) => id), ...picture.machineIds],
        ({ machine }) => machine ?? "",
      );
  }
}

/** By bucket, in the order given and each as it was; what has none of these comes last. */
function inBuckets(
  rows: readonly UnitRow[],
  order: readonly string[],
  bucketOf: (row: UnitRow) => string,
): UnitRow[] {
  const buckets = new Map<string, UnitRow[]>(order.map((key) => [key, []]));
  const others: UnitRow[] = [];
  for (const row of rows) (buckets.get(bucketOf(row)) ?? others).push(row);
  return [...[...buckets.values()].flat(), ...others];
}
