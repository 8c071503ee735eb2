import { systemClock } from "@fleet/runtime";
import { expect, it } from "vitest";
import { FlagValues } from "../../../../packages/fleetctl/src/cli/flag.ts";
import type { Invocation } from "../../../../packages/fleetctl/src/invocation.ts";
import { orderOf, sortedRows } from "../../../../packages/fleetctl/src/output/columns.ts";

const sort = { name: "sort", kind: "text", fallback: "", help: "" } as const;

function sorting(keys: string): Invocation {
  return {
    flags: new FlagValues([sort], new Map([["sort", keys]])),
    args: [],
    print: () => {},
    paint: (_look, text) => text,
    say: () => {},
    fail: () => {},
    relay: () => {},
    environment: {},
    isTerminal: { stdout: false, stderr: false },
    connect: () => Promise.reject(new Error("nothing to ask")),
    clock: systemClock,
    signal: new AbortController().signal,
    unread: new AbortController().signal,
  };
}

it("sorting works each cell out once: a unit's hash takes its time", () => {
  let workedOut = 0;
  const text = (row: number): string => {
    workedOut += 1;
    return `unit@${row}`;
  };
  const rows = Array.from({ length: 1_000 }, (_, index) => (index * 7) % 1_000);
  const sorted = sortedRows(orderOf(sorting("-hash"), { hash: { text } }), rows);
  expect(sorted).toEqual(Array.from({ length: 1_000 }, (_, index) => 999 - index));
  expect(workedOut).toBe(1_000);
});
