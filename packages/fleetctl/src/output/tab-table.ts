import type { Look, Paint } from "./colors.ts";

export interface Cell {
  readonly text: string;
  readonly look?: Look | undefined;
}

const noCell: Cell = { text: "" };

/** Cells are padded with tabs to stops of this many characters. */
const TAB_STOP = 8;

/**
 * Lays rows out as Go's text/tabwriter does with tab padding: every cell but a row's last ends in at least
 * one tab, and columns line up on a terminal with tab stops of 8. Scripts cut the columns at the tabs.
 * Every row must have as many cells as the first. Ends in a newline unless there are no rows.
 */
export function tabTable(cells: readonly (readonly Cell[])[], paint: Paint): string {
  const columns = new TabColumns(paint);
  const rows = cells.map(oneLine);
  for (const row of rows) columns.widen(row);
  let table = "";
  for (const row of rows) table += columns.line(row);
  return table;
}

/**
 * The columns of such a table, for one whose rows are not all known when the first is printed. A command prints its table before
 * V8 has compiled anything of this: loops by index take half the time of others then, milliseconds of 500 rows.
 */
export class TabColumns {
  readonly #paint: Paint;
  readonly #widest: number[] = [];

  constructor(paint: Paint) {
    this.#paint = paint;
  }

  /** Makes room for a row. */
  widen(row: readonly Cell[]): void {
    for (let column = 0; column < row.length; column += 1) {
      const width = textWidth(row[column]?.text ?? "");
      if (width > (this.#widest[column] ?? -1)) this.#widest[column] = width;
    }
  }

  line(row: readonly Cell[]): string {
    let line = "";
    for (let column = 0; column < row.length; column += 1) {
      const { text, look } = row[column] ?? noCell;
      // Colours take no room on the screen: what is padded is the text without them.
      line += this.#paint(look, text);
      if (column < row.length - 1) line += this.#padding(text, column);
    }
    return `${line}\n`;
  }

  #padding(text: string, column: number): string {
    const width = Math.ceil(((this.#widest[column] ?? 0) + 1) / TAB_STOP) * TAB_STOP;
    return "\t".repeat(Math.ceil((width - textWidth(text)) / TAB_STOP));
  }
}

/** The cells without what would break out of their row. */
export function oneLine(row: readonly Cell[]): readonly Cell[] {
  if (row.every(({ text }) => isPlain(text))) return row;
  return row.map(({ text, look }) => ({ text: inOneLine(text), look }));
}

/** Metadata may hold anything: a newline would look like another row, an escape sequence would act on the terminal. */
function inOneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

/** In code points, as tabwriter counts. */
export function textWidth(text: string): number {
  if (isPlain(text)) return text.length;
  return [...text].length;
}

/** Printable ASCII: nearly every cell, of which large listings have tens of thousands. */
export function isPlain(text: string): boolean {
  return /^[ -~]*$/.test(text);
}
