import type { ApiMassLoss } from "@fleet/api/client";
import type { Invocation } from "../invocation.ts";
import { massLossNotice } from "../output/mass-loss.ts";
import { type Cell, TabColumns } from "../output/tab-table.ts";
import { ConnectionTalk } from "./connection-talk.ts";
import type { Change, LiveRow, RowChange } from "./live-rows.ts";
import type { ListingOutput } from "./watch-listing.ts";

/**
 * A listing as lines, for whoever reads stdout: first a line for each row, then one for each change. Every line says first what
 * it is, `listed` to begin with; with --json it is an object.
 */
export class ChangeLines implements ListingOutput {
  readonly #call: Invocation;
  readonly #json: boolean;
  readonly #columns: TabColumns;
  readonly #talk: ConnectionTalk;
  #heading: readonly Cell[];
  /** What was last said of a mass loss. */
  #held: string | undefined;

  /** @param heading Heads of the columns; none: no heading. */
  constructor(call: Invocation, heading: readonly Cell[]) {
    this.#call = call;
    this.#json = call.flags.on("json");
    this.#columns = new TabColumns(call.paint);
    this.#talk = new ConnectionTalk(call.say);
    this.#heading = this.#json ? [] : heading;
  }

  first(rows: readonly LiveRow[]): void {
    this.#print(rows.map((row) => ({ change: "listed", row })));
  }

  changed(changes: readonly RowChange[]): void {
    this.#talk.heard();
    this.#print(changes);
  }

  stale(reason: string): void {
    this.#talk.lost(reason);
  }

  massLoss(loss: ApiMassLoss | undefined): void {
    const held = loss && massLossNotice(loss);
    if (held !== this.#held) this.#call.say(held ?? "re-placing is no longer held");
    this.#held = held;
  }

  close(): void {}

  #print(changes: readonly { readonly change: Change | "listed"; readonly row: LiveRow }[]): void {
    const lines: (readonly Cell[])[] = changes.map(({ change, row }) => [{ text: change }, ...row.cells]);
    if (this.#heading.length > 0) lines.unshift([{ text: "CHANGE" }, ...this.#heading]);
    this.#heading = [];
    for (const line of lines) this.#columns.widen(line);
    const texts = this.#json
      ? changes.map(({ change, row }) => `{"change":"${change}","row":${row.json}}\n`)
      : lines.map((line) => this.#columns.line(line));
    if (texts.length > 0) this.#call.print(texts.join(""));
  }
}
