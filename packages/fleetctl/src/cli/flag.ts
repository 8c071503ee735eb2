/** A flag of fleetctl or of one of its commands. */
export interface Flag {
  /** Long name without dashes, as in `--no-legend`. */
  readonly name: string;
  /** One-letter form, as in `-l`. */
  readonly short?: string;
  /** - `switch`: true or false, `--flag` means true
   *  - `text`: any value
   *  - `count`: a whole number
   *  - `seconds`: a positive number of seconds, fractions allowed */
  readonly kind: "switch" | "text" | "count" | "seconds";
  /** Its default as one would write it on the command line; help shows it. */
  readonly fallback: string;
  readonly help: string;
  /** The values a text may have; any when absent. */
  readonly choices?: readonly string[];
  /** What the completion of a command line offers as its value, or as the entries of a list: words, or what the
   *  cluster has. */
  readonly suggests?: readonly string[] | "machine" | "unit" | "file";
  /** Known because scripts pass it, and not shown in help. */
  readonly hidden?: true;
}

/** What the user wrote cannot be understood: exit code 2. */
export class UsageError extends Error {
  /** Lines that help to put it right. */
  readonly hints: readonly string[];

  constructor(message: string, hints: readonly string[] = []) {
    super(message);
    this.name = "UsageError";
    this.hints = hints;
  }
}

/** The values of a set of flags: given on the command line, else from the environment, else the defaults. */
export class FlagValues {
  readonly #flags: ReadonlyMap<string, Flag>;
  readonly #given: ReadonlyMap<string, string>;

  /** `given`: flag name to its text. Throws UsageError for a text that the kind of its flag cannot hold. */
  constructor(flags: readonly Flag[], given: ReadonlyMap<string, string>) {
    this.#flags = new Map(flags.map((flag) => [flag.name, flag]));
    this.#given = given;
    for (const [name, text] of given) checkValue(this.#flag(name), text);
  }

  /** Whether the flag was given, on the command line or in the environment. */
  given(name: string): boolean {
    return this.#given.has(name);
  }

  text(name: string): string {
    return this.#given.get(name) ?? this.#flag(name).fallback;
  }

  on(name: string): boolean {
    return TRUE.has(this.text(name));
  }

  number(name: string): number {
    return Number(this.text(name));
  }

  /** A number of seconds in whole milliseconds, within what timers take. */
  milliseconds(name: string): number {
    return Math.min(Math.max(1, Math.round(this.number(name) * 1000)), longestTimerMs);
  }

  #flag(name: string): Flag {
    const flag = this.#flags.get(name);
    if (flag === undefined) throw new Error(`no such flag: ${name}`);
    return flag;
  }
}

/** Beyond it Node's timers fire at once: almost 25 days. */
const longestTimerMs = 2 ** 31 - 1;

// The spellings Go's flag packages accept.
const TRUE: ReadonlySet<string> = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE: ReadonlySet<string> = new Set(["0", "f", "F", "FALSE", "false", "False"]);

function checkValue(flag: Flag, text: string): void {
  const problem = valueProblem(flag, text);
  if (problem !== undefined)
    throw new UsageError(`invalid value "${text}" for flag --${flag.name}: ${problem}`);
}

function valueProblem(flag: Flag, text: string): string | undefined {
  switch (flag.kind) {
    case "text":
      if (flag.choices === undefined || flag.choices.includes(text)) return undefined;
      return `expected one of ${flag.choices.join(", ")}`;
    case "switch":
      return TRUE.has(text) || FALSE.has(text) ? undefined : "expected true or false";
    case "count":
      return /^[+-]?\d{1,9}$/.test(text) ? undefined : "expected a whole number";
    case "seconds":
      return /^\d*\.?\d+$|^\d+\.$/.test(text) && Number(text) > 0
        ? undefined
        : "expected a number of seconds above 0";
  }
}
