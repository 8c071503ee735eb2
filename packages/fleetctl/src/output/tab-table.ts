import type { Look, Paint } from "./colors.ts";

export interface Cell {
  readonly text: string;
  readonly look?: Look | undefined;
}

/** Cells are padded with tabs to stops of this many characters. */
const TAB_STOP = 8;

/**
 * Lays rows out as Go's text/tabwriter does with tab padding: every cell but a row's last ends in at least
 * one tab, and columns line up on a terminal with tab stops of 8. Scripts cut the columns at the tabs.
 * Every row must have as many cells as the first. Ends in a newline unless there are no rows.
 */
export function tabTable(cells: readonly (readonly Cell[])[], paint: Paint): string {
  const rows = cells.map(shownInOneLine);
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) => {
    const widest = rows.reduce((width, row) => Math.max(width, textWidth(row[column]?.text ?? "")), 0);
    return Math.ceil((widest + 1) / TAB_STOP) * TAB_STOP;
  });
  let table = "";
  for (const row of rows) {
    for (const [column, cell] of row.entries()) table += padded(cell, column);
    table += "\n";
  }
  return table;

  function padded({ text, look }: Cell, column: number): string {
    // Colours take no room on the screen: what is padded is the text without them.
    const shown = paint(look, text);
    if (column === columns - 1) return shown;
    const missing = (widths[column] ?? 0) - textWidth(text);
    return shown + "\t".repeat(Math.ceil(missing / TAB_STOP));
  }
}

function shownInOneLine(row: readonly Cell[]): readonly Cell[] {
  if (row.every(({ text }) => isPlain(text))) return row;
  return row.map(({ text, look }) => ({ text: inOneLine(text), look }));
}

/** Metadata may hold anything: a newline would look like another row, an escape sequence would act on the terminal. */
function inOneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

/** In code points, as tabwriter counts. */
function textWidth(text: string): number {
  if (isPlain(text)) return text.length;
  return [...text].length;
}

/** Printable ASCII: nearly every cell, of which large listings have tens of thousands. */
function isPlain(text: string): boolean {
  return /^[ -~]*$/.test(text);
}
