import { describe, expect, it } from "vitest";
import { type CompatibilityRow, readCompatibilityPage, readOfCheckout } from "./compatibility-page.ts";

const tables = readCompatibilityPage();
const rows = [...tables].flatMap(([heading, listed]) => listed.map((row) => ({ heading, row })));

/** What the test behind a row has to mention: the flag, column, option or command, as one writes it. */
function tokenOf({ what }: CompatibilityRow): string {
  return what.split(" ").at(-1) ?? what;
}

/** Tables whose rows are held against the code by name; the others are sentences. */
const named = [
  "Commands and their flags",
  "Global flags",
  "Columns",
  "fleetd's configuration",
  "Options of [X-Fleet]",
];

describe("docs/compatibility.md", () => {
  it("has its tables", () => {
    expect([...tables.keys()]).toEqual([
      ...named.slice(0, 3),
      "What fleetctl says and does",
      "Calls of the HTTP API and their statuses",
      "Fields of the HTTP API",
      ...named.slice(3),
      "fleetd",
      "Scheduling",
    ]);
  });

  it("names nothing twice", () => {
    for (const [heading, listed] of tables) {
      const names = listed.map(({ what }) => what);
      expect(new Set(names).size, heading).toBe(names.length);
    }
  });

  it("says how or why wherever something is not the same", () => {
    const silent = rows.filter(({ row }) => row.verdict !== "same" && row.how === "");
    expect(silent.map(({ row }) => row.what)).toEqual([]);
  });

  it.each(rows.map(({ heading, row }) => [heading, row.what, row] as const))(
    "%s: %s is shown by a test that is there and speaks of it",
    (heading, _what, row) => {
      const text = readOfCheckout(row.test);
      expect(text, row.test).toBeDefined();
      if (named.includes(heading)) expect(text).toContain(tokenOf(row));
    },
  );
});
