import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { tabTable } from "./tab-table.ts";

/** A column: the text of its cell for a row; `full` shows ids and hashes whole. */
export type Column<Row> = (row: Row, full: boolean) => string;

/** The columns chosen with --fields. Throws CommandFailure for an unknown one. */
export function chosenFields<Row>(
  call: Invocation,
  columns: Readonly<Record<string, Column<Row>>>,
): readonly (readonly [string, Column<Row>])[] {
  return call.flags
    .text("fields")
    .split(",")
    .map((field) => {
      const column = Object.hasOwn(columns, field) ? columns[field] : undefined;
      if (column === undefined) {
        throw new CommandFailure(`Invalid key in output format: ${JSON.stringify(field)}`);
      }
      return [field, column] as const;
    });
}

/** Prints the rows as a table, with a heading unless --no-legend is given. */
export function printTable<Row>(
  call: Invocation,
  fields: readonly (readonly [string, Column<Row>])[],
  rows: readonly Row[],
): void {
  const full = call.flags.on("full");
  const heading = call.flags.on("no-legend") ? [] : [fields.map(([field]) => field.toUpperCase())];
  call.print(tabTable([...heading, ...rows.map((row) => fields.map(([, column]) => column(row, full)))]));
}

/** Prints the listing for programs: one JSON list. */
export function printJson(call: Invocation, rows: readonly unknown[]): void {
  call.print(`${JSON.stringify(rows, undefined, 2)}\n`);
}
