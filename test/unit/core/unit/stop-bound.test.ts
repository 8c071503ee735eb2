import { parseUnitFile, type StopBound, stopBound } from "@fleet/core";
import { describe, expect, it } from "vitest";

function boundOf(text: string): StopBound {
  const parsed = parseUnitFile(text);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return stopBound(parsed.value);
}

describe("stopBound", () => {
  const bounded: readonly (readonly [what: string, text: string, stopMs: number])[] = [
    ["nothing said", "[Service]\nExecStart=/bin/true", 90_000],
    ["TimeoutStopSec", "[Service]\nTimeoutStopSec=7", 7_000],
    ["TimeoutSec", "[Service]\nTimeoutSec=1min", 60_000],
    ["the last of several", "[Service]\nTimeoutStopSec=7\nTimeoutSec=8", 8_000],
    ["a continued line", "[Service]\nTimeoutStopSec=1min \\\n 5s", 65_000],
    ["one ExecStop: it, then SIGTERM", "[Service]\nTimeoutStopSec=2\nExecStop=/bin/a", 4_000],
    ["two ExecStop", "[Service]\nTimeoutStopSec=2\nExecStop=/bin/a\nExecStop=/bin/b", 6_000],
    ["ExecStop reset", "[Service]\nTimeoutStopSec=2\nExecStop=/bin/a\nExecStop=", 2_000],
    ["ExecStopPost, after which SIGTERM again", "[Service]\nTimeoutStopSec=2\nExecStopPost=/bin/a", 6_000],
    ["a watchdog signal first", "[Service]\nTimeoutStopSec=2\nTimeoutStopFailureMode=abort", 4_000],
    [
      "a watchdog signal with a time of its own",
      "[Service]\nTimeoutStopSec=2\nTimeoutStopFailureMode=abort\nTimeoutAbortSec=5",
      10_000,
    ],
    ["a socket", "[Socket]\nTimeoutSec=3", 3_000],
    ["another section", "[Unit]\nTimeoutStopSec=infinity", 90_000],
  ];
  it.each(bounded)("%s", (_what, text, stopMs) => {
    expect(boundOf(text)).toEqual({ kind: "bounded", stopMs });
  });

  const refused: readonly (readonly [kind: StopBound["kind"], setting: string, value: string])[] = [
    ["unbounded", "TimeoutStopSec", "infinity"],
    ["unbounded", "TimeoutSec", "infinity"],
    ["unbounded", "TimeoutStopSec", "0"],
    ["unbounded", "TimeoutStopSec", "0s"],
    ["unbounded", "TimeoutStopSec", "0min 0"],
    ["unbounded", "TimeoutSec", ".0"],
    ["unbounded", "TimeoutAbortSec", "infinity"],
    ["unreadable", "TimeoutStopSec", "soon"],
    ["unreadable", "TimeoutStopSec", "-1"],
    ["unreadable", "TimeoutStopSec", ""],
  ];
  it.each(refused)("%s: %s=%s", (kind, setting, value) => {
    expect(boundOf(`[Service]\n${setting}=${value}`)).toEqual({ kind, setting, value });
  });
});
