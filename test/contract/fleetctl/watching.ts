import { ScreenTerminal } from "../../unit/fleetctl/live/screen-terminal.ts";
import { acceleratedClock, fleetctl, type Outcome } from "./command-line.ts";

/** A command that goes on until it is told to stop. */
export class Watching {
  readonly terminal = new ScreenTerminal(8, 90);
  readonly ended: Promise<Outcome>;
  #stdout = "";
  #stderr = "";
  readonly #stop = new AbortController();
  readonly #unread = new AbortController();
  #wake: () => void = () => {};

  constructor(endpoint: string, line: string, around: { readonly terminal?: boolean } = {}) {
    this.ended = fleetctl(endpoint, line.split(" "), {
      clock: acceleratedClock(10),
      signal: this.#stop.signal,
      unread: this.#unread.signal,
      ...(around.terminal === true ? { terminal: this.terminal } : {}),
      printed: (text) => {
        this.#stdout += text;
        this.#wake();
      },
      heard: (line) => {
        this.#stderr += `${line}\n`;
        this.#wake();
      },
    });
  }

  /** Resolves when this many lines have been printed, with those after the first `from`. */
  async lines(count: number, from = 0): Promise<readonly string[]> {
    for (;;) {
      const lines = this.#stdout.split("\n").slice(0, -1);
      if (lines.length >= count) return lines.slice(from);
      await this.#more();
    }
  }

  /** Resolves when stderr has a text. */
  async says(text: string): Promise<void> {
    while (!this.#stderr.includes(text)) await this.#more();
  }

  /** Resolves when the screen has a text. */
  async shows(text: string): Promise<void> {
    while (!this.terminal.screen.join("\n").includes(text))
      await new Promise((resolve) => setImmediate(resolve));
  }

  interrupt(): Promise<Outcome> {
    this.#stop.abort("SIGINT");
    return this.ended;
  }

  /** Nobody reads its stdout any more. */
  close(): Promise<Outcome> {
    this.#unread.abort();
    return this.ended;
  }

  /** Resolves when something more has come on stdout or stderr. */
  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
