import type { Terminal, TerminalListeners } from "./terminal.ts";

/**
 * The alternate screen, which leaves what the terminal has shown before as it was; no cursor; what is too long for a line is cut
 * off by the terminal, which alone knows how wide its characters are.
 */
const enter = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J";
const leave = "\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l";

/** Terminals that know them show what is between at once. */
const [begin, end] = ["\u001b[?2026h", "\u001b[?2026l"];

/**
 * The screen of a terminal, line by line. Invariant: while it is open, `#shown` has what the terminal shows; only lines that are
 * different are written.
 */
export class Screen {
  readonly #terminal: Terminal;
  #shown: string[] = [];
  #release: (() => void) | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  get isOpen(): boolean {
    return this.#release !== undefined;
  }

  open(listeners: TerminalListeners): void {
    this.#release ??= this.#terminal.take(listeners, leave);
    this.#terminal.write(enter);
    this.#shown = [];
  }

  close(): void {
    if (this.#release === undefined) return;
    this.#terminal.write(leave);
    this.#release();
    this.#release = undefined;
  }

  /** The terminal has another size: nobody knows what it shows. */
  forget(): void {
    this.#terminal.write("\u001b[2J");
    this.#shown = [];
  }

  /** Shows these lines, from the top, and nothing below them. */
  draw(lines: readonly string[]): void {
    let output = "";
    for (let index = 0; index < Math.max(lines.length, this.#shown.length); index += 1) {
      const line = lines[index] ?? "";
      if (line !== (this.#shown[index] ?? "")) output += `\u001b[${index + 1};1H${line}\u001b[K`;
    }
    this.#shown = [...lines];
    if (output !== "") this.#terminal.write(`${begin}${output}${end}`);
  }
}
