import type { ApiEvent } from "@fleet/api/client";
import type { Invocation } from "../invocation.ts";
import type { Look } from "./colors.ts";
import { oneLine, TabColumns } from "./tab-table.ts";

const looks: Partial<Readonly<Record<ApiEvent["kind"], Look>>> = {
  "machine-lost": "failed",
  "losses-held": "failed",
  moved: "underway",
  withdrawn: "underway",
  waiting: "underway",
  "machine-leaving": "underway",
  "machine-left": "underway",
  "leader-elected": "underway",
  "machine-joined": "fresh",
  "losses-released": "fresh",
};

/** The longest kind there is: lines that are printed later keep to the same columns. */
const longestKind: ApiEvent["kind"] = "losses-released";

/** Prints those events that the user wants to know of: a line for each, with --json an object. */
export class EventLines {
  readonly #call: Pick<Invocation, "print" | "flags">;
  readonly #isChosen: (event: ApiEvent) => boolean;
  readonly #columns: TabColumns;

  constructor(call: Pick<Invocation, "print" | "flags" | "paint">, isChosen: (event: ApiEvent) => boolean) {
    this.#call = call;
    this.#isChosen = isChosen;
    this.#columns = new TabColumns(call.paint);
    this.#columns.widen([{ text: timeOf(new Date(0)) }, { text: longestKind }]);
  }

  /** The latest of those that are wanted, `atMost` so many. */
  latest(events: readonly ApiEvent[], atMost: number): readonly ApiEvent[] {
    return atMost === 0 ? [] : events.filter(this.#isChosen).slice(-atMost);
  }

  print(events: readonly ApiEvent[]): void {
    const lines = events.filter(this.#isChosen).map((event) => this.#line(event));
    if (lines.length > 0) this.#call.print(lines.join(""));
  }

  #line(event: ApiEvent): string {
    if (this.#call.flags.on("json")) return `${JSON.stringify(event)}\n`;
    const look = looks[event.kind];
    return this.#columns.line(
      oneLine([
        { text: timeOf(new Date(event.at)), look: "gone" },
        { text: event.kind, look },
        { text: event.text },
      ]),
    );
  }
}

/** As a clock on the wall here shows it: `2026-11-29 09:05:07`. */
function timeOf(date: Date): string {
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((number) => String(number).padStart(2, "0"));
  return `${date.getFullYear()}-${month}-${day} ${date.toTimeString().slice(0, 8)}`;
}
