/** Values that may stand in a log line. Never unit contents, never secrets. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Structured log: a fixed event name (`lower_case_words`) and ids. One line per transition, not per steady
 * state; each error once.
 */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

const priorities: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };
const order: readonly LogLevel[] = ["error", "warn", "info", "debug"];

export interface LineLoggerOptions {
  readonly write: (line: string) => void;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
  /** Lines below this level are dropped; asked at each line, so that it may change at run time. */
  readonly level: () => LogLevel;
  /** Prefix lines with `<priority>` (sd-daemon(3)) instead of a time: set when stderr is the journal. */
  readonly journal: boolean;
}

/** Writes `event key=value …` lines. */
export class LineLogger implements Logger {
  readonly #options: LineLoggerOptions;
  readonly #fields: LogFields;

  constructor(options: LineLoggerOptions, fields: LogFields = {}) {
    this.#options = options;
    this.#fields = fields;
  }

  debug(event: string, fields?: LogFields): void {
    this.#line("debug", event, fields);
  }

  info(event: string, fields?: LogFields): void {
    this.#line("info", event, fields);
  }

  warn(event: string, fields?: LogFields): void {
    this.#line("warn", event, fields);
  }

  error(event: string, fields?: LogFields): void {
    this.#line("error", event, fields);
  }

  child(fields: LogFields): Logger {
    return new LineLogger(this.#options, { ...this.#fields, ...fields });
  }

  #line(level: LogLevel, event: string, fields: LogFields = {}): void {
    if (order.indexOf(level) > order.indexOf(this.#options.level())) return;
    let text = event;
    // No copy of both: a leader that places thousands of units writes as many lines.
    for (const key of Object.keys(this.#fields)) if (!(key in fields)) text += wordOf(key, this.#fields[key]);
    for (const key of Object.keys(fields)) text += wordOf(key, fields[key]);
    this.#options.write(
      this.#options.journal
        ? `<${priorities[level]}>${text}\n`
        : `${new Date(this.#options.now()).toISOString()} ${level} ${text}\n`,
    );
  }
}

function wordOf(key: string, value: LogFields[string]): string {
  return value === undefined ? "" : ` ${key}=${quoted(value)}`;
}

function quoted(value: string | number | boolean | readonly string[]): string {
  const text = typeof value === "object" ? value.join(",") : String(value);
  // A value with blanks or quotes, or a line break from outside, must not be able to fake a second field or line.
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** Discards everything. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};
