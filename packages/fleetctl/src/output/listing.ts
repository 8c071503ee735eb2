import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import type { Look } from "./colors.ts";
import { tabTable } from "./tab-table.ts";

/** A column of a table, its field's name apart. */
interface Column<Row> {
  /** The text of its cell for a row; `full` shows ids and hashes whole. */
  readonly text: (row: Row, full: boolean) => string;
  /** How its cell looks on a terminal with colours. */
  readonly look?: (row: Row) => Look | undefined;
}

/** The columns of a listing, by field. */
export type Columns<Row> = Readonly<Record<string, Column<Row>>>;

type Fields<Row> = readonly (readonly [string, Column<Row>])[];

/** The columns chosen with --fields. Throws CommandFailure for an unknown one. */
export function chosenFields<Row>(call: Invocation, columns: Columns<Row>): Fields<Row> {
  return call.flags
    .text("fields")
    .split(",")
    .map((field) => {
      const column = columnOf(columns, field);
      if (column === undefined) {
        throw new CommandFailure(`Invalid key in output format: ${JSON.stringify(field)}`);
      }
      return [field, column] as const;
    });
}

/**
 * Sorts by the columns of --sort, the first one first: `-field` reverses, and numbers within a text count as such
 * (`apache@9` before `apache@10`). Rows alike keep their order. Throws CommandFailure for an unknown column.
 */
export function sortedRows<Row>(
  call: Invocation,
  columns: Columns<Row>,
  rows: readonly Row[],
): readonly Row[] {
  const text = call.flags.text("sort");
  if (text === "") return rows;
  const keys = text.split(",").map((key) => sortKey(key, columns));
  // Always the same language: a listing must not depend on the user's.
  const { compare } = new Intl.Collator("en", { numeric: true });
  const cells = rows.map((row) => ({ row, texts: keys.map(({ column }) => column.text(row, true)) }));
  cells.sort((left, right) => {
    for (const [index, { sign }] of keys.entries()) {
      const order = compare(left.texts[index] ?? "", right.texts[index] ?? "") * sign;
      if (order !== 0) return order;
    }
    return 0;
  });
  return cells.map(({ row }) => row);
}

function sortKey<Row>(key: string, columns: Columns<Row>) {
  const field = key.replace(/^-/, "");
  const column = columnOf(columns, field);
  if (column === undefined) {
    const known = Object.keys(columns).join(", ");
    throw new CommandFailure(`Invalid key to sort by: ${JSON.stringify(field)}. Known: ${known}`);
  }
  return { column, sign: key.startsWith("-") ? -1 : 1 };
}

function columnOf<Row>(columns: Columns<Row>, field: string): Column<Row> | undefined {
  return Object.hasOwn(columns, field) ? columns[field] : undefined;
}

/** Prints the rows as a table, with a heading unless --no-legend is given. */
export function printTable<Row>(call: Invocation, fields: Fields<Row>, rows: readonly Row[]): void {
  const full = call.flags.on("full");
  const heading = call.flags.on("no-legend")
    ? []
    : [fields.map(([field]) => ({ text: field.toUpperCase() }))];
  const body = rows.map((row) =>
    fields.map(([, column]) => ({ text: column.text(row, full), look: column.look?.(row) })),
  );
  call.print(tabTable([...heading, ...body], call.paint));
}

/** Prints for programs: a listing as one JSON list. */
export function printJson(call: Invocation, value: object): void {
  call.print(`${JSON.stringify(value, undefined, 2)}\n`);
}
