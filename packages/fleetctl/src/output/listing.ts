import type { FleetClient, WatchDelta, WatchSnapshot } from "@fleet/api/client";
import type { Invocation } from "../invocation.ts";
import {
  type Columns,
  cellsOf,
  chosenFields,
  type Fields,
  headingOf,
  type Order,
  orderOf,
  sortedRows,
} from "./columns.ts";
import { MachineBook } from "./machine-book.ts";
import { knownMachines, machinesNamed } from "./machine-filter.ts";
import { printJson } from "./print-json.ts";
import { tabTable } from "./tab-table.ts";

/** The machines that rows name, as far as they are present. */
export interface PresentMachines {
  /** The machine with its address; without one when the machine is not present. */
  legend(id: string, full: boolean): string;
  isPresent(id: string): boolean;
}

export interface Row<Item> {
  readonly item: Item;
  readonly machines: PresentMachines;
}

/** What a command lists, whether once or for as long as one looks. */
export interface Listing<Item> {
  /** What a row stands for, for people: `unit`. */
  readonly thing: string;
  readonly columns: Columns<Row<Item>>;
  /** Tells an item from all others; without --sort, and among rows alike, it is the order. */
  readonly keyOf: (item: Item) => string;
  /** The machine that it is on, or is. */
  readonly machineOf: (item: Item) => string | undefined;
  /** What the arguments and --state choose. Throws CommandFailure for a state that neither systemd nor any item has. */
  readonly chosen: (all: readonly Item[]) => (item: Item) => boolean;
  readonly json: (item: Item) => unknown;
  /** Reads all there are, and the machines if they come along. Throws CommandFailure. */
  readonly read: (
    client: FleetClient,
    signal: AbortSignal,
  ) => Promise<{ readonly all: readonly Item[]; readonly machines?: MachineBook }>;
  /** Which rows of a stream it is made of. */
  readonly kind: "units" | "states" | "machines";
  /** What a message of the stream says of the items; `removed` has their keys. */
  readonly changes: (message: WatchSnapshot | WatchDelta) => Changes<Item>;
}

export interface Changes<Item> {
  readonly put: readonly Item[];
  readonly removed: readonly string[];
}

/** How the user wants a listing to look. */
export interface View<Item> {
  readonly fields: Fields<Row<Item>>;
  readonly order: Order<Row<Item>>;
  /** Ids and hashes whole. */
  readonly full: boolean;
  readonly legend: boolean;
}

/** Lists once, or with --watch for as long as one looks. Resolves to the exit code; throws CommandFailure. */
export async function list<Item>(call: Invocation, listing: Listing<Item>): Promise<number> {
  const view: View<Item> = {
    fields: chosenFields(call, listing.columns),
    order: orderOf(call, listing.columns),
    full: call.flags.on("full"),
    legend: !call.flags.on("no-legend"),
  };
  if (call.flags.on("watch")) {
    // Only here: a listing should not wait for what it has no use for.
    const { watchListing } = await import("../live/watch-listing.ts");
    return await watchListing(call, listing, view);
  }
  const rows = sortedRows(view.order, await chosenRows(call, listing));
  if (call.flags.on("json")) {
    printJson(
      call,
      rows.map(({ item }) => listing.json(item)),
    );
  } else {
    const heading = view.legend ? [headingOf(view.fields)] : [];
    const body = rows.map((row) => cellsOf(view.fields, row, view.full));
    call.print(tabTable([...heading, ...body], call.paint));
  }
  return 0;
}

async function chosenRows<Item>(call: Invocation, listing: Listing<Item>): Promise<readonly Row<Item>[]> {
  const { keyOf, machineOf } = listing;
  const client = await call.connect();
  const { all, machines: read } = await listing.read(client, call.signal);
  const wanted = all.filter(listing.chosen(all)).sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  const named = call.flags.text("machine");
  // Asked for the machines only when a row shows one: JSON shows ids alone.
  const shown = call.flags.on("json") ? [] : wanted;
  const isNeeded = named !== "" || shown.some((item) => !["", undefined].includes(machineOf(item)));
  const machines = read ?? (isNeeded ? await MachineBook.read(client, call.signal) : MachineBook.empty);
  if (named === "") return wanted.map((item) => ({ item, machines }));
  // Rows tell of machines that are gone.
  const ids = machinesNamed(named, knownMachines(machines.machines, all.map(machineOf)));
  return wanted.filter((item) => ids.has(machineOf(item) ?? "")).map((item) => ({ item, machines }));
}
