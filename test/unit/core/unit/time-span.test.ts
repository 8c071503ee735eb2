import { parseTimeSpan } from "@fleet/core";
import { describe, expect, it } from "vitest";

describe("parseTimeSpan", () => {
  const spans: readonly (readonly [text: string, ms: number])[] = [
    ["90", 90_000],
    ["+5", 5_000],
    ["0", 0],
    ["5s", 5_000],
    ["5 sec", 5_000],
    ["5second", 5_000],
    ["1min 30", 90_000],
    ["1min30s", 90_000],
    ["1 min 30 seconds", 90_000],
    ["2m", 120_000],
    ["1month", 2_629_800_000],
    ["1M", 2_629_800_000],
    ["1h 1hr 1hour 2hours", 5 * 3_600_000],
    ["1d", 86_400_000],
    ["1w", 604_800_000],
    ["1y", 31_557_600_000],
    ["5ms", 5],
    ["5msec", 5],
    ["1500us", 1.5],
    ["1500usec", 1.5],
    ["1500\u00b5s", 1.5],
    ["1500\u03bcs", 1.5],
    ["1.5s", 1_500],
    [".5", 500],
    ["5.", 5_000],
    ["12.34 .56", 12_900],
    ["1.5s.5s", 2_000],
    ["0.0000001", 0],
    [" \t7 \n", 7_000],
    ["infinity", Number.POSITIVE_INFINITY],
    ["  infinity ", Number.POSITIVE_INFINITY],
  ];
  it.each(spans)("reads %j as %d ms", (text, ms) => {
    expect(parseTimeSpan(text)).toBe(ms);
  });

  const unreadable: readonly string[] = [
    "",
    " ",
    "-5",
    "5x",
    "5 x",
    "12.34.56",
    "s",
    "5 -3",
    "infinity 5",
    "infinity5",
    "Infinity",
    "INFINITY",
    "1e3",
    "0x10",
    "5S",
    "99999999999y",
  ];
  it.each(unreadable)("does not read %j", (text) => {
    expect(parseTimeSpan(text)).toBeUndefined();
  });
});
