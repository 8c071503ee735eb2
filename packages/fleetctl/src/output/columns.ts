import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import type { Look } from "./colors.ts";
import type { Cell } from "./tab-table.ts";

/** A column of a table, its field's name apart. */
interface Column<Row> {
  /** The text of its cell for a row; `full` shows ids and hashes whole. */
  readonly text: (row: Row, full: boolean) => string;
  /** How its cell looks on a terminal with colours. */
  readonly look?: (row: Row) => Look | undefined;
}

/** The columns of a listing, by field. */
export type Columns<Row> = Readonly<Record<string, Column<Row>>>;

/** The columns that are shown, in their order, each with its field. */
export type Fields<Row> = readonly (readonly [string, Column<Row>])[];

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

/** How a listing is sorted: by `compare` over what `keysOf` has for each row, worked out once, for a unit's hash takes its time. */
export interface Order<Row> {
  readonly keysOf: (row: Row) => readonly string[];
  readonly compare: (left: readonly string[], right: readonly string[]) => number;
}

/**
 * Sorts by the columns of --sort, the first one first: `-field` reverses, and numbers within a text count as such
 * (`apache@9` before `apache@10`). Without --sort all rows are alike. Throws CommandFailure for an unknown column.
 */
export function orderOf<Row>(call: Invocation, columns: Columns<Row>): Order<Row> {
  const text = call.flags.text("sort");
  if (text === "") return { keysOf: () => [], compare: () => 0 };
  const keys = text.split(",").map((key) => sortKey(key, columns));
  // Always the same language: a listing must not depend on the user's.
  const { compare } = new Intl.Collator("en", { numeric: true });
  return {
    keysOf: (row) => keys.map(({ column }) => column.text(row, true)),
    compare: (left, right) => {
      for (const [index, { sign }] of keys.entries()) {
        const order = compare(left[index] ?? "", right[index] ?? "") * sign;
        if (order !== 0) return order;
      }
      return 0;
    },
  };
}

/** Rows alike keep their order. */
export function sortedRows<Row>({ keysOf, compare }: Order<Row>, rows: readonly Row[]): readonly Row[] {
  return rows
    .map((row) => ({ row, keys: keysOf(row) }))
    .sort((left, right) => compare(left.keys, right.keys))
    .map(({ row }) => row);
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

/** The heading of a table. */
export function headingOf<Row>(fields: Fields<Row>): readonly Cell[] {
  return fields.map(([field]) => ({ text: field.toUpperCase() }));
}

export function cellsOf<Row>(fields: Fields<Row>, row: Row, full: boolean): readonly Cell[] {
  return fields.map(([, column]) => ({ text: column.text(row, full), look: column.look?.(row) }));
}
