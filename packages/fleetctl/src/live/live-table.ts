import type { ApiMassLoss } from "@fleet/api/client";
import type { Invocation } from "../invocation.ts";
import { massLossMark } from "../output/mass-loss.ts";
import type { Cell } from "../output/tab-table.ts";
import { type KeyAction, Keys, type ScrollAction } from "./keys.ts";
import type { LiveRow, RowChange } from "./live-rows.ts";
import { Screen } from "./screen.ts";
import { ColumnWidths, headingLine, rowLine } from "./table-lines.ts";
import type { Terminal } from "./terminal.ts";
import type { Leave } from "./until-left.ts";
import type { ListingOutput } from "./watch-listing.ts";

/** Between two redraws, those aside that a key asks for. */
const REDRAW_INTERVAL_MS = 100;

/** The rows that a table shows; see LiveRows. */
interface TableRows {
  readonly rows: readonly LiveRow[];
  readonly count: number;
  indexOf(row: LiveRow): number;
  expire(nowMs: number): number | undefined;
}

export interface LiveTableParts {
  readonly call: Pick<Invocation, "clock" | "paint">;
  readonly terminal: Terminal;
  readonly rows: TableRows;
  /** Heads of the columns; none: no heading. */
  readonly heading: readonly Cell[];
  /** What a row stands for, for people: `unit`. */
  readonly thing: string;
  /** The user leaves. */
  readonly leave: (how: Leave) => void;
}

/**
 * A listing as a table that stays on the screen.
 *
 * Invariants: at most one timer is set, for what is due next, and none while nothing is due; a redraw works out the lines that
 * are on the screen and no others; the row at the top stays there while others come and go above it.
 */
export class LiveTable implements ListingOutput {
  readonly #parts: LiveTableParts;
  readonly #screen: Screen;
  readonly #keys = new Keys();
  readonly #widths = new ColumnWidths();
  /** Index of the first row on the screen, and that row once one has scrolled. */
  #top = 0;
  #topRow: LiveRow | undefined;
  #stale: { readonly since: string; readonly reason: string } | undefined;
  #massLoss: ApiMassLoss | undefined;
  #changedAt: string | undefined;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: () => void = () => {};
  #isClosed = false;

  constructor(parts: LiveTableParts) {
    this.#parts = parts;
    this.#screen = new Screen(parts.terminal);
    this.#widths.fit(parts.heading);
  }

  first(rows: readonly LiveRow[]): void {
    for (const { cells } of rows) this.#widths.fit(cells);
    this.#open();
  }

  changed(changes: readonly RowChange[]): void {
    for (const { row } of changes) this.#widths.fit(row.cells);
    if (changes.length > 0) this.#changedAt = this.#timeOfDay();
    this.#stale = undefined;
    this.#redrawSoon();
  }

  stale(reason: string): void {
    this.#stale = { since: this.#stale?.since ?? this.#timeOfDay(), reason };
    this.#redrawSoon();
  }

  massLoss(loss: ApiMassLoss | undefined): void {
    this.#massLoss = loss;
    this.#redrawSoon();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#screen.close();
  }

  #open(): void {
    this.#screen.open({
      typed: (text) => {
        for (const action of this.#keys.read(text)) this.#act(action);
        if (this.#screen.isOpen) this.#draw();
      },
      resized: () => {
        this.#screen.forget();
        this.#draw();
      },
    });
    this.#draw();
  }

  #act(action: KeyAction): void {
    if (action === "quit") this.#parts.leave("asked");
    else if (action === "interrupt") this.#parts.leave("interrupted");
    else if (action === "suspend") this.#suspend();
    else this.#scrollTo(this.#topAfter(action));
  }

  #topAfter(action: ScrollAction): number {
    const page = Math.max(1, this.#bodyHeight() - 1);
    switch (action) {
      case "up":
        return this.#top - 1;
      case "down":
        return this.#top + 1;
      case "page-up":
        return this.#top - page;
      case "page-down":
        return this.#top + page;
      case "home":
        return 0;
      case "end":
        return this.#parts.rows.rows.length;
    }
  }

  #scrollTo(top: number): void {
    const last = Math.max(0, this.#parts.rows.rows.length - this.#bodyHeight());
    this.#top = Math.max(0, Math.min(top, last));
    this.#topRow = this.#top === 0 ? undefined : this.#parts.rows.rows[this.#top];
  }

  #suspend(): void {
    this.#cancelTimer();
    this.#screen.close();
    void this.#parts.terminal.suspend().then(() => {
      // Who ends a stopped job has it continued for that.
      if (this.#isClosed) return;
      // What has come meanwhile is drawn by this.
      this.#open();
    });
  }

  #redrawSoon(): void {
    this.#wakeAt(this.#drawnAtMs + REDRAW_INTERVAL_MS);
  }

  /** Draws when it is time; what was due before is drawn along. */
  #wakeAt(dueMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    if (!this.#screen.isOpen) return;
    const leftMs = dueMs - this.#parts.call.clock.monotonic();
    if (leftMs <= 0) this.#draw();
    else this.#cancelTimer = this.#parts.call.clock.after(leftMs, () => this.#draw());
  }

  #draw(): void {
    const { call, rows, heading, terminal } = this.#parts;
    const nowMs = call.clock.monotonic();
    this.#cancelTimer();
    this.#drawnAtMs = nowMs;
    const expiryMs = rows.expire(nowMs);
    this.#scrollTo(this.#topRow === undefined ? this.#top : rows.indexOf(this.#topRow));
    const { columns, rows: screenRows } = terminal.size();
    const height = this.#bodyHeight();
    const body = rows.rows.slice(this.#top, this.#top + height);
    const lines = body.map((row) => rowLine(row, this.#widths, columns, call.paint));
    while (lines.length < height) lines.push("");
    if (heading.length > 0) lines.unshift(headingLine(heading, this.#widths, columns, call.paint));
    // On a screen of one line it is how things stand.
    this.#screen.draw([...lines, this.#statusLine(body.length, columns)].slice(-screenRows));
    if (expiryMs !== undefined) this.#wakeAt(Math.max(expiryMs, nowMs + REDRAW_INTERVAL_MS));
  }

  #statusLine(shown: number, columns: number): string {
    const { rows, thing, call } = this.#parts;
    const parts = [`${rows.count} ${thing}${rows.count === 1 ? "" : "s"}`];
    const held = this.#massLoss && massLossMark(this.#massLoss);
    if (held !== undefined) parts.push(held);
    const stale = this.#stale && `STALE since ${this.#stale.since}`;
    parts.push(stale ?? "connected", `last change ${this.#changedAt ?? "-"}`);
    if (shown < rows.rows.length) parts.push(`rows ${this.#top + 1}-${this.#top + shown}`);
    parts.push(this.#stale?.reason ?? "q leaves");
    return call.paint((stale ?? held) === undefined ? "gone" : "failed", parts.join("   ").slice(0, columns));
  }

  /** Lines for rows: all but the heading and the status line. */
  #bodyHeight(): number {
    const { terminal, heading } = this.#parts;
    return Math.max(0, terminal.size().rows - 1 - (heading.length > 0 ? 1 : 0));
  }

  #timeOfDay(): string {
    return new Date(this.#parts.call.clock.now()).toTimeString().slice(0, 8);
  }
}
