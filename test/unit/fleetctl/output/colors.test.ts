import { describe, expect, it } from "vitest";
import { paintFor } from "../../../../packages/fleetctl/src/output/colors.ts";

describe("colours", () => {
  const cases: readonly (readonly [string, Record<string, string>, boolean, boolean])[] = [
    ["auto", {}, true, true],
    ["auto", {}, false, false],
    ["auto", { TERM: "xterm" }, true, true],
    ["auto", { TERM: "dumb" }, true, false],
    ["auto", { NO_COLOR: "1" }, true, false],
    ["auto", { NO_COLOR: "0" }, true, false],
    ["auto", { NO_COLOR: "" }, true, true],
    ["auto", { FORCE_COLOR: "1" }, false, true],
    ["auto", { FORCE_COLOR: "0" }, true, false],
    ["auto", { FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
    ["always", { NO_COLOR: "1", TERM: "dumb" }, false, true],
    ["never", { FORCE_COLOR: "1" }, true, false],
  ];
  it.each(cases)("--color=%s with %j, on a terminal: %s, are used: %s", (choice, around, terminal, used) => {
    const text = paintFor(choice, around, terminal)("failed", "text");
    expect(text).toBe(used ? "\u001b[31mtext\u001b[39m" : "text");
  });

  it("leave alone what has no look", () => {
    expect(paintFor("always", {}, true)(undefined, "text")).toBe("text");
  });
});
