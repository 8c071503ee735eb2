import type { ClientMachine } from "@fleet/api/client";
import { cellsOf } from "../output/columns.ts";
import type { Changes, Listing, PresentMachines, View } from "../output/listing.ts";
import { knownMachines, machinesNamed } from "../output/machine-filter.ts";
import { machineLegend } from "../output/machine-legend.ts";
import { type Cell, oneLine } from "../output/tab-table.ts";

/** A row as it is shown. */
export interface LiveRow {
  readonly key: string;
  readonly cells: readonly Cell[];
  /** What --sort compares. */
  readonly keys: readonly string[];
  /** The row for programs, as JSON; empty unless it is asked for. */
  readonly json: string;
  /** What happened to it a moment ago. */
  readonly mark: Mark | undefined;
}

export interface Mark {
  readonly change: Change;
  readonly atMs: number;
  /** Of a changed row: which cells have another text. */
  readonly cells: readonly boolean[];
}

export type Change = "added" | "changed" | "removed";

export interface RowChange {
  readonly change: Change;
  readonly row: LiveRow;
}

export interface LiveRowsOptions {
  /** The value of --machine. */
  readonly machine: string;
  /** Rows are compared and kept as JSON as well. */
  readonly json: boolean;
  /** How long a change stays marked, and a row that is gone in place. */
  readonly markMs: number;
}

/**
 * The chosen rows of a listing, in their order, kept up to date.
 *
 * Invariants: `#rows` is sorted by `#order`; `#byKey` has the same rows; those marked as removed are the ones that have no item.
 * `#marked` has the keys of marked rows, the oldest mark first. A change costs the work for its own rows, not for all.
 */
export class LiveRows<Item> {
  readonly #listing: Listing<Item>;
  readonly #view: View<Item>;
  readonly #options: LiveRowsOptions;
  readonly #machines = new Map<string, ClientMachine>();
  readonly #items = new Map<string, Item>();
  readonly #byKey = new Map<string, LiveRow>();
  readonly #marked = new Set<string>();
  #rows: LiveRow[] = [];
  #isChosen: ((item: Item) => boolean) | undefined;

  constructor(listing: Listing<Item>, view: View<Item>, options: LiveRowsOptions) {
    this.#listing = listing;
    this.#view = view;
    this.#options = options;
  }

  /** Those that are gone, as long as they are marked, among them. */
  get rows(): readonly LiveRow[] {
    return this.#rows;
  }

  /** How many there are, without those that are gone. */
  get count(): number {
    return this.#items.size;
  }

  /**
   * Takes over the whole picture; rows of the first one are not marked. Returns what is different. Throws CommandFailure for a
   * state or a machine that nothing in the first picture has.
   */
  replace(all: readonly Item[], machines: readonly ClientMachine[], nowMs: number): readonly RowChange[] {
    this.#machines.clear();
    for (const machine of machines) this.#machines.set(machine.id, machine);
    const isFirst = this.#isChosen === undefined;
    this.#isChosen ??= this.#chosen(all, machines);
    const kept = new Set(all.map(this.#listing.keyOf));
    const lost = [...this.#items.keys()].filter((key) => !kept.has(key));
    const steps = [
      ...lost.map((key) => this.#remove(key, nowMs)),
      ...all.map((item) => this.#put(item, isFirst ? undefined : nowMs)),
    ];
    // At once: one by one, ten thousand rows would each look for their place.
    this.#rows = [...this.#byKey.values()].sort(this.#order);
    return steps.flatMap(changeOf);
  }

  /** Takes over what has changed after the first picture. Returns what became of it. */
  apply(
    { put, removed }: Changes<Item>,
    machines: Changes<ClientMachine>,
    nowMs: number,
  ): readonly RowChange[] {
    for (const id of machines.removed) this.#machines.delete(id);
    for (const machine of machines.put) this.#machines.set(machine.id, machine);
    const touched = new Set([...machines.removed, ...machines.put.map(({ id }) => id)]);
    const steps: Step[] = [];
    const take = (step: Step): void => {
      this.#move(step);
      steps.push(step);
    };
    for (const key of removed) take(this.#remove(key, nowMs));
    for (const item of put) take(this.#put(item, nowMs));
    // They show whether their machine is there, and its address.
    for (const item of touched.size === 0 ? [] : [...this.#items.values()])
      if (touched.has(this.#listing.machineOf(item) ?? "")) take(this.#put(item, nowMs));
    return steps.flatMap(changeOf);
  }

  /** Ends marks that have been there for long enough. Returns when the next ends; undefined when none is left. */
  expire(nowMs: number): number | undefined {
    for (const key of this.#marked) {
      const before = this.#byKey.get(key);
      const dueMs = (before?.mark?.atMs ?? nowMs) + this.#options.markMs;
      if (dueMs > nowMs) return dueMs;
      this.#marked.delete(key);
      if (before === undefined) continue;
      const after = before.mark?.change === "removed" ? undefined : { ...before, mark: undefined };
      this.#keep(key, after);
      this.#move({ before, after });
    }
    return undefined;
  }

  /** Where a row is, or would be. */
  indexOf(row: LiveRow): number {
    let [from, to] = [0, this.#rows.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = this.#rows[middle];
      if (other !== undefined && this.#order(other, row) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #chosen(all: readonly Item[], machines: readonly ClientMachine[]): (item: Item) => boolean {
    const isChosen = this.#listing.chosen(all);
    const { machineOf } = this.#listing;
    const named = this.#options.machine;
    if (named === "") return isChosen;
    const ids = machinesNamed(named, knownMachines(machines, all.map(machineOf)));
    return (item) => ids.has(machineOf(item) ?? "") && isChosen(item);
  }

  readonly #order = (left: LiveRow, right: LiveRow): number =>
    this.#view.order.compare(left.keys, right.keys) ||
    (left.key < right.key ? -1 : Number(left.key > right.key));

  /** @param nowMs When it changed; undefined for what was there before one looked. */
  #put(item: Item, nowMs: number | undefined): Step {
    const key = this.#listing.keyOf(item);
    if (this.#isChosen?.(item) !== true) return this.#remove(key, nowMs);
    const before = this.#byKey.get(key);
    // It may still be shown although it is gone.
    const isNew = !this.#items.has(key);
    this.#items.set(key, item);
    const shown = this.#shown(key, item);
    const cells = shown.cells.map(({ text }, index) => before?.cells[index]?.text !== text);
    const isEqual = this.#options.json ? before?.json === shown.json : !cells.includes(true);
    const isSame = !isNew && isEqual;
    const change: Change = isNew ? "added" : "changed";
    const isMarked = !isSame && nowMs !== undefined && this.#options.markMs > 0;
    const mark = isMarked ? { change, atMs: nowMs, cells } : before?.mark;
    const after = { ...shown, mark };
    this.#keep(key, after);
    return { before, after, ...(isSame ? {} : { change }) };
  }

  #remove(key: string, nowMs: number | undefined): Step {
    const before = this.#byKey.get(key);
    if (!this.#items.delete(key) || before === undefined) return { before, after: before };
    const isMarked = this.#options.markMs > 0 && nowMs !== undefined;
    const after = isMarked
      ? ({ ...before, mark: { change: "removed", atMs: nowMs, cells: [] } } as const)
      : undefined;
    this.#keep(key, after);
    return { before, after, change: "removed" };
  }

  #keep(key: string, row: LiveRow | undefined): void {
    if (row === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, row);
    this.#marked.delete(key);
    if (row?.mark !== undefined) this.#marked.add(key);
  }

  /** Puts a row in its place, and takes away the one before. */
  #move({ before, after }: Step): void {
    if (before === after) return;
    const from = before === undefined ? -1 : this.indexOf(before);
    if (before !== undefined && after !== undefined && this.#order(before, after) === 0) {
      this.#rows[from] = after;
      return;
    }
    if (from !== -1) this.#rows.splice(from, 1);
    if (after !== undefined) this.#rows.splice(this.indexOf(after), 0, after);
  }

  #shown(key: string, item: Item): Omit<LiveRow, "mark"> {
    const row = { item, machines: this.#present };
    const { fields, order, full } = this.#view;
    return {
      key,
      cells: oneLine(cellsOf(fields, row, full)),
      keys: order.keysOf(row),
      json: this.#options.json ? JSON.stringify(this.#listing.json(item)) : "",
    };
  }

  readonly #present: PresentMachines = {
    legend: (id, full) => machineLegend(this.#machines.get(id) ?? { id }, full),
    isPresent: (id) => this.#machines.has(id),
  };
}

interface Step {
  readonly before: LiveRow | undefined;
  readonly after: LiveRow | undefined;
  /** Left out when nothing of it shows. */
  readonly change?: Change;
}

function changeOf({ before, after, change }: Step): readonly RowChange[] {
  const row = after ?? before;
  return change === undefined || row === undefined ? [] : [{ change, row }];
}
