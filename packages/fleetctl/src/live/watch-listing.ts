import type { ApiMassLoss, ClientMachine, Losses, WatchDelta } from "@fleet/api/client";
import { Backoff, errorMessage, sleep, systemRandom } from "@fleet/runtime";
import { isInterrupt } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { headingOf } from "../output/columns.ts";
import type { Changes, Listing, View } from "../output/listing.ts";
import { MachineBook } from "../output/machine-book.ts";
import { streamedMachine } from "../output/streamed-machine.ts";
import { ChangeLines } from "./change-lines.ts";
import { clusterStream, retry } from "./cluster-stream.ts";
import { type LiveRow, LiveRows, type RowChange } from "./live-rows.ts";
import { LiveTable } from "./live-table.ts";
import { untilLeft } from "./until-left.ts";

/** Where the rows of a listing go, and what becomes of them. */
export interface ListingOutput {
  /** The first picture. */
  first(rows: readonly LiveRow[]): void;
  /** Something was heard: `changes` has what became of the rows, be it nothing. */
  changed(changes: readonly RowChange[]): void;
  /** What is shown may be out of date. */
  stale(reason: string): void;
  /** Machines that vanished together are held for; undefined: none are. */
  massLoss(loss: ApiMassLoss | undefined): void;
  close(): void;
}

/** Between two looks at a server without streams. */
const POLL_INTERVAL_MS = 2_000;

/** How long a change stays marked. */
const MARK_MS = 3_000;

/**
 * Shows a listing and what becomes of it until the user leaves, a signal fires or nobody reads on. Resolves to the exit code;
 * throws CommandFailure when it cannot begin.
 */
export async function watchListing<Item>(
  call: Invocation,
  listing: Listing<Item>,
  view: View<Item>,
): Promise<number> {
  const leave = new AbortController();
  const terminal = call.flags.on("json") ? undefined : await call.terminal?.();
  const rows = new LiveRows(listing, view, {
    machine: call.flags.text("machine"),
    json: call.flags.on("json"),
    markMs: terminal === undefined ? 0 : MARK_MS,
  });
  const heading = view.legend ? headingOf(view.fields) : [];
  const { thing } = listing;
  const output =
    terminal === undefined
      ? new ChangeLines(call, heading)
      : new LiveTable({ call, terminal, rows, heading, thing, leave: (how) => leave.abort(how) });
  try {
    return await untilLeft(call, leave.signal, (signal) => show(call, listing, rows, output, signal));
  } finally {
    output.close();
  }
}

async function show<Item>(
  call: Invocation,
  listing: Listing<Item>,
  rows: LiveRows<Item>,
  output: ListingOutput,
  signal: AbortSignal,
): Promise<void> {
  let isFirst = true;
  for await (const news of listingNews(call, listing, signal)) {
    const nowMs = call.clock.monotonic();
    if (news.type === "stale") {
      output.stale(news.reason);
      continue;
    }
    if (news.type === "changes") output.changed(rows.apply(news.changes, news.machines, nowMs));
    if (news.type === "picture") {
      const changes = rows.replace(news.all, news.machines, nowMs);
      if (isFirst) output.first(rows.rows);
      else output.changed(changes);
      isFirst = false;
    }
    // Whoever lists something else did not ask how machines are.
    if (news.losses !== undefined && listing.kind === "machines") output.massLoss(news.losses.massLoss);
  }
}

type ListingNews<Item> =
  | {
      readonly type: "picture";
      readonly all: readonly Item[];
      readonly machines: readonly ClientMachine[];
      readonly losses: Losses;
    }
  | {
      readonly type: "changes";
      readonly changes: Changes<Item>;
      readonly machines: Changes<ClientMachine>;
      /** Undefined: as before. */
      readonly losses: Losses | undefined;
    }
  | { readonly type: "stale"; readonly reason: string };

async function* listingNews<Item>(
  call: Invocation,
  listing: Listing<Item>,
  signal: AbortSignal,
): AsyncGenerator<ListingNews<Item>> {
  const kinds = listing.kind === "machines" ? (["machines"] as const) : ([listing.kind, "machines"] as const);
  for await (const news of clusterStream(call, { kinds, options: "none" }, signal)) {
    switch (news.type) {
      case "snapshot": {
        const machines = news.machines.map(streamedMachine);
        yield { type: "picture", all: listing.changes(news).put, machines, losses: news.losses ?? {} };
        break;
      }
      case "delta":
        yield {
          type: "changes",
          changes: listing.changes(news),
          machines: machineChanges(news),
          losses: news.losses,
        };
        break;
      case "stale":
        yield news;
        break;
      case "unsupported":
        yield* polledNews(call, listing, signal);
    }
  }
}

function machineChanges({ machines }: WatchDelta): Changes<ClientMachine> {
  return { put: machines?.put.map(streamedMachine) ?? [], removed: machines?.removed ?? [] };
}

/** The same from a server without streams, such as a fleet 1.0. */
async function* polledNews<Item>(
  call: Invocation,
  listing: Listing<Item>,
  signal: AbortSignal,
): AsyncGenerator<ListingNews<Item>> {
  const client = await call.connect();
  const backoff = new Backoff(retry, systemRandom);
  for (;;) {
    try {
      const { all, machines = await MachineBook.read(client, signal) } = await listing.read(client, signal);
      const { massLoss } = machines;
      const losses = massLoss === undefined ? {} : { massLoss };
      yield { type: "picture", all, machines: machines.machines, losses };
      backoff.reset();
      await sleep(call.clock, POLL_INTERVAL_MS, signal);
    } catch (error) {
      if (isInterrupt(error)) throw error;
      yield { type: "stale", reason: errorMessage(error) };
      await sleep(call.clock, backoff.next(), signal);
    }
  }
}
