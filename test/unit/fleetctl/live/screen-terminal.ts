import type { Terminal, TerminalListeners } from "../../../../packages/fleetctl/src/live/terminal.ts";

/** A terminal that shows, as text without colours, what a program's escape sequences make of its screen. */
export class ScreenTerminal implements Terminal {
  rows: number;
  columns: number;
  /** All that was written since it was last emptied. */
  written = "";
  /** Whether the alternate screen is shown. */
  isAlternate = false;
  suspended = 0;
  #lines: string[] = [];
  #at = { row: 0, column: 0 };
  #listeners: TerminalListeners | undefined;

  constructor(rows = 10, columns = 60) {
    this.rows = rows;
    this.columns = columns;
  }

  readonly size = () => ({ rows: this.rows, columns: this.columns });

  readonly write = (text: string): void => {
    this.written += text;
    const [before = "", ...parts] = text.split("\u001b[");
    this.#put(before);
    for (const part of parts) {
      const [, parameters = "", final = "", rest = ""] = /^([?\d;]*)([A-Za-z])(.*)$/s.exec(part) ?? [];
      this.#control(parameters, final);
      this.#put(rest);
    }
  };

  readonly take = (listeners: TerminalListeners): (() => void) => {
    this.#listeners = listeners;
    return () => {
      this.#listeners = undefined;
    };
  };

  readonly suspend = async (): Promise<void> => {
    this.suspended += 1;
  };

  get isTaken(): boolean {
    return this.#listeners !== undefined;
  }

  /** The lines of the screen, without blanks at their ends and without empty ones at the end. */
  get screen(): readonly string[] {
    const lines = Array.from({ length: this.rows }, (_, row) => (this.#lines[row] ?? "").trimEnd());
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  type(text: string): void {
    this.#listeners?.typed(text);
  }

  resize(rows: number, columns: number): void {
    this.rows = rows;
    this.columns = columns;
    this.#listeners?.resized();
  }

  #control(parameters: string, final: string): void {
    const numbers = parameters.split(";").map(Number);
    if (parameters === "?1049") {
      this.isAlternate = final === "h";
      this.#lines = [];
    } else if (final === "H") this.#at = { row: (numbers[0] || 1) - 1, column: (numbers[1] || 1) - 1 };
    else if (final === "G") this.#at.column = (numbers[0] || 1) - 1;
    else if (final === "J") this.#lines = [];
    else if (final === "K") this.#lines[this.#at.row] = this.#line().slice(0, this.#at.column);
    else if (final !== "m" && !parameters.startsWith("?"))
      throw new Error(`unknown sequence: ${parameters}${final}`);
  }

  #line(): string {
    return (this.#lines[this.#at.row] ?? "").padEnd(this.#at.column);
  }

  #put(text: string): void {
    if (text === "") return;
    if (/[\n\r\t]/.test(text)) throw new Error("only sequences may move the cursor");
    const line = this.#line();
    const { row, column } = this.#at;
    this.#lines[row] = line.slice(0, column) + text + line.slice(column + text.length);
    this.#at.column = column + text.length;
    if (row >= this.rows || this.#at.column > this.columns) throw new Error(`off the screen: ${text}`);
  }
}
