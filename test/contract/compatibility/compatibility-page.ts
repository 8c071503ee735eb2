import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const page = fileURLToPath(new URL("../../../docs/compatibility.md", import.meta.url));

/** What became of a thing fleet 1.0 had; `new`: it is not fleet 1.0's. */
type Verdict = "same" | "better" | "not" | "new";

export interface CompatibilityRow {
  /** The first cell, without its backticks. */
  readonly what: string;
  readonly verdict: Verdict;
  /** How it is better, or why it is not there. */
  readonly how: string;
  /** Path of the test that shows it. */
  readonly test: string;
}

const verdict = z.enum(["same", "better", "not", "new"]);

/** The tables of docs/compatibility.md by the heading they stand under. Throws for a row that is none. */
export function readCompatibilityPage(): ReadonlyMap<string, readonly CompatibilityRow[]> {
  const tables = new Map<string, CompatibilityRow[]>();
  let heading = "";
  for (const line of readFileSync(page, "utf8").split("\n")) {
    if (line.startsWith("## ")) heading = line.slice(3);
    if (!line.startsWith("| ") || line.startsWith("| --")) continue;
    // A pipe inside a cell is written as \|.
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const [, what = "", here, how = "", shownBy = ""] = cells;
    const rows = tables.get(heading) ?? [];
    tables.set(heading, rows);
    // The heading of the table itself.
    if (here === "here") continue;
    const [, path = ""] = /^\[[^\]]+\]\(\.\.\/([^)]+)\)$/.exec(shownBy) ?? [];
    if (path === "") throw new Error(`no test behind this row: ${line}`);
    rows.push({ what: what.replaceAll("`", ""), verdict: verdict.parse(here), how, test: path });
  }
  return tables;
}

/** The text of a file of the checkout; undefined when there is none. */
export function readOfCheckout(path: string): string | undefined {
  const file = fileURLToPath(new URL(`../../../${path}`, import.meta.url));
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

const names = z.array(z.string());
const namesByName = z.record(z.string(), names);
const surfaceShape = z.object({
  globalFlags: names,
  commands: namesByName,
  columns: namesByName,
  xFleet: names,
  fields: namesByName,
  endpoints: z.record(z.string(), z.array(z.number())),
  config: names,
  fleetdArguments: names,
  signals: names,
});

/** Everything fleet 1.0 could be told, asked and configured. */
export const fleetSurface = surfaceShape.parse(
  JSON.parse(readOfCheckout("test/fixtures/fleet-1.0-surface.json") ?? ""),
);
