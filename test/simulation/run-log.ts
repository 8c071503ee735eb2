import type { Clock, LogFields, Logger } from "@fleet/runtime";

/** Lines kept for the trace of a failure. */
const keptLines = 400;

/** What everybody in a cluster logs, in one order, and what of it must not be. */
export class RunLog {
  readonly #clock: Clock;
  readonly #lines: string[] = [];
  #finding: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  logger(fields: LogFields = {}): Logger {
    const write =
      (level: string) =>
      (event: string, more: LogFields = {}) => {
        const words = Object.entries({ ...fields, ...more }).map(([key, value]) => `${key}=${String(value)}`);
        const line = `${(this.#clock.monotonic() / 1000).toFixed(3)} s ${level} ${event} ${words.join(" ")}`;
        this.#lines.push(line);
        if (this.#lines.length > 2 * keptLines) this.#lines.splice(0, keptLines);
        if (event === "audit_found_work") this.#finding ??= line;
      };
    return {
      debug: () => {},
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      child: (more) => this.logger({ ...fields, ...more }),
    };
  }

  /** Throws when an engine has found by its audit what an event should have told it. */
  check(): void {
    if (this.#finding !== undefined) throw new Error(`an audit found work: ${this.#finding}`);
  }
}
