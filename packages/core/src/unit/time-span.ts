/** Milliseconds in systemd's units of time; a month and a year are averages, as systemd has them. */
const unitMs = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
} as const;

/**
 * Every spelling of a unit. systemd takes the first that fits and reads on right behind it, so that of two where one
 * begins like the other the longer one comes first.
 */
const spellings: readonly (readonly [spelling: string, ms: number])[] = [
  ["seconds", unitMs.s],
  ["second", unitMs.s],
  ["sec", unitMs.s],
  ["s", unitMs.s],
  ["minutes", unitMs.min],
  ["minute", unitMs.min],
  ["min", unitMs.min],
  ["months", unitMs.month],
  ["month", unitMs.month],
  ["M", unitMs.month],
  ["msec", unitMs.ms],
  ["ms", unitMs.ms],
  ["m", unitMs.min],
  ["hours", unitMs.h],
  ["hour", unitMs.h],
  ["hr", unitMs.h],
  ["h", unitMs.h],
  ["days", unitMs.d],
  ["day", unitMs.d],
  ["d", unitMs.d],
  ["weeks", unitMs.w],
  ["week", unitMs.w],
  ["w", unitMs.w],
  ["years", unitMs.y],
  ["year", unitMs.y],
  ["y", unitMs.y],
  ["usec", unitMs.us],
  ["us", unitMs.us],
  // The micro sign and the Greek letter look the same.
  ["\u00b5s", unitMs.us],
  ["\u03bcs", unitMs.us],
];

const blank = /^[ \t\n\r]*/;
const number = /^\+?(\d*)(?:\.(\d*))?/;

/**
 * A time span as systemd reads it for the settings of a unit whose plain numbers are seconds (`90`, `1min 30s`,
 * `5.5s`, `infinity`), in milliseconds. Undefined for what systemd would not read.
 */
export function parseTimeSpan(text: string): number | undefined {
  let rest = withoutBlanks(text);
  if (rest.startsWith("infinity")) {
    return withoutBlanks(rest.slice("infinity".length)) === "" ? Number.POSITIVE_INFINITY : undefined;
  }
  if (rest === "") return undefined;
  let totalMs = 0;
  while (rest !== "") {
    const [written = "", whole = "", fraction] = number.exec(rest) ?? [];
    if (whole === "" && fraction === undefined) return undefined;
    const behind = rest.slice(written.length);
    const unit = withoutBlanks(behind);
    const [spelling, ms] = spellings.find(([each]) => unit.startsWith(each)) ?? ["", unitMs.s];
    // `12.34.56` and `5x` are no spans; `12 34` is two numbers.
    if (spelling === "" && unit === behind && unit !== "") return undefined;
    totalMs += Number(`${whole || "0"}.${fraction || "0"}`) * ms;
    rest = withoutBlanks(unit.slice(spelling.length));
  }
  // systemd counts in microseconds: what is shorter is nothing.
  return Number.isSafeInteger(Math.floor(totalMs * 1000)) ? Math.floor(totalMs * 1000) / 1000 : undefined;
}

function withoutBlanks(text: string): string {
  return text.replace(blank, "");
}
