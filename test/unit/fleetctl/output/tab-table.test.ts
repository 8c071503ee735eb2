import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { type Paint, paintFor } from "../../../../packages/fleetctl/src/output/colors.ts";
import { tabTable as paintedTable } from "../../../../packages/fleetctl/src/output/tab-table.ts";

const plain: Paint = (_look, text) => text;

function tabTable(rows: readonly (readonly string[])[]): string {
  return paintedTable(
    rows.map((row) => row.map((text) => ({ text }))),
    plain,
  );
}

/** How a terminal with tab stops of 8 shows a line. */
function onScreen(line: string): string {
  let shown = "";
  for (const character of line) {
    if (character === "\t") shown += " ".repeat(8 - (shown.length % 8));
    else shown += character;
  }
  return shown;
}

describe("tabTable", () => {
  it("pads each cell but the last with tabs to the next stop of 8 beyond the widest", () => {
    const table = tabTable([
      ["UNIT", "HASH", "DSTATE", "STATE", "TARGET"],
      ["hello.service", "4bff33d", "inactive", "inactive", "-"],
    ]);
    expect(table).toBe(
      "UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\nhello.service\t4bff33d\tinactive\tinactive\t-\n",
    );
  });

  it("lets no cell break out of its row, or speak to the terminal", () => {
    expect(tabTable([["1...", "role=a\n2...\tb\u001b[2J\u009b2Jc"]])).toBe("1...\trole=a 2... b [2J 2Jc\n");
  });

  it("lines columns up on a terminal", () => {
    const lines = tabTable([
      ["MACHINE", "IP", "METADATA"],
      ["0acdd9bf...", "10.0.2.15", "private-ip=172.17.8.103,region=china"],
      ["1...", "", "-"],
    ])
      .trimEnd()
      .split("\n")
      .map(onScreen);
    expect(lines).toEqual([
      "MACHINE         IP              METADATA",
      "0acdd9bf...     10.0.2.15       private-ip=172.17.8.103,region=china",
      "1...                            -",
    ]);
  });

  it("leaves at least one tab after a cell that ends at a stop", () => {
    expect(tabTable([["12345678", "x"]])).toBe("12345678\tx\n");
    expect(tabTable([["1234567", "x"]])).toBe("1234567\tx\n");
    expect(
      tabTable([
        ["12345678", "x"],
        ["1", "y"],
      ]),
    ).toBe("12345678\tx\n1\t\ty\n");
  });

  it("counts characters, not bytes", () => {
    expect(
      tabTable([
        ["ünïcödé", "x"],
        ["1234567", "y"],
      ]),
    ).toBe("ünïcödé\tx\n1234567\ty\n");
  });

  it("takes colours for nothing: without them it has the same bytes", () => {
    const rows = [
      [{ text: "UNIT" }, { text: "ACTIVE" }, { text: "SUB" }],
      [{ text: "hello.service" }, { text: "failed", look: "failed" as const }, { text: "failed" }],
      [{ text: "a.service" }, { text: "activating", look: "underway" as const }, { text: "start-pre" }],
    ];
    const colored = paintedTable(rows, paintFor("always", {}, false));
    expect(colored).toContain("\u001b[31mfailed\u001b[39m\t\tfailed\n");
    expect(colored).toContain("\u001b[33mactivating\u001b[39m\tstart-pre\n");
    expect(stripVTControlCharacters(colored)).toBe(paintedTable(rows, plain));
  });

  it("has nothing to show of no rows", () => {
    expect(tabTable([])).toBe("");
  });

  it("takes a hundred thousand rows", () => {
    const rows = Array.from({ length: 100_000 }, (_, row) => [`unit-${row}.service`, "active"]);
    expect(tabTable(rows).split("\n")).toHaveLength(100_001);
  });
});
