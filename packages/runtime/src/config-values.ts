/** Readers for the text of options: undefined means that the text is not accepted. */

/** `true`/`yes`/`on`/`t`/`1` and their opposites, in any case. */
export function readBoolean(text: string): boolean | undefined {
  if (/^(?:true|yes|on|t|1)$/i.test(text)) return true;
  if (/^(?:false|no|off|f|0)$/i.test(text)) return false;
  return undefined;
}

/** A decimal integer between `min` and `max`, both included. */
export function readInteger(text: string, min: number, max: number): number | undefined {
  if (!/^[+-]?\d{1,15}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** `30s`, `500ms`, `1m30s`, `1.5h`, or a plain number of seconds; in milliseconds. */
export function readDuration(text: string): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    totalMs += Number(amount) * (unitMs.get(unit) ?? Number.NaN);
  }
  return Math.round(totalMs);
}

/** `a, b`, `["a", "b"]` and everything between: separated by commas, quotes and blanks around each dropped. */
export function readList(text: string): readonly string[] {
  const inner = /^\s*\[(.*)\]\s*$/s.exec(text)?.[1] ?? text;
  return inner
    .split(",")
    .map(withoutQuotes)
    .filter((item) => item !== "");
}

/** The text without blanks around it, nor quotes, nor blanks inside those. */
export function withoutQuotes(text: string): string {
  return text
    .trim()
    .replaceAll(/^["']+|["']+$/g, "")
    .trim();
}
