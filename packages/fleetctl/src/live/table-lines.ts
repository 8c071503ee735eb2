import type { Look, Paint } from "../output/colors.ts";
import { type Cell, isPlain, textWidth } from "../output/tab-table.ts";
import type { LiveRow, Mark } from "./live-rows.ts";

const markSigns = { added: "+", changed: "*", removed: "-" } as const;
const markLooks: Readonly<Record<keyof typeof markSigns, Look>> = {
  added: "fresh",
  changed: "underway",
  removed: "gone",
};

/** Before the first column: the sign of a mark, and a blank. */
const GUTTER = 2;
/** Between two columns. */
const GAP = 2;

/** How wide the columns of a table are. They only grow wider, so that nothing jumps. */
export class ColumnWidths {
  readonly #widths: number[] = [];

  fit(cells: readonly Cell[]): void {
    for (const [column, { text }] of cells.entries())
      this.#widths[column] = Math.max(this.#widths[column] ?? 0, textWidth(text));
  }

  of(column: number): number {
    return this.#widths[column] ?? 0;
  }
}

export function headingLine(
  cells: readonly Cell[],
  widths: ColumnWidths,
  columns: number,
  paint: Paint,
): string {
  const heads = cells.map(({ text }) => ({ text, look: "heading" as const }));
  return " ".repeat(GUTTER) + cellsLine(heads, undefined, widths, columns, paint);
}

/** A row with the mark of what happened to it, at most `columns` wide. */
export function rowLine(
  { cells, mark }: LiveRow,
  widths: ColumnWidths,
  columns: number,
  paint: Paint,
): string {
  const sign = mark === undefined ? " " : paint(markLooks[mark.change], markSigns[mark.change]);
  const shown =
    mark?.change === "removed" ? cells.map(({ text }) => ({ text, look: "gone" as const })) : cells;
  return `${sign} ${cellsLine(shown, mark, widths, columns, paint)}`;
}

function cellsLine(
  cells: readonly Cell[],
  mark: Mark | undefined,
  widths: ColumnWidths,
  columns: number,
  paint: Paint,
): string {
  let line = "";
  let at = GUTTER;
  for (const [column, { text, look }] of cells.entries()) {
    if (at >= columns) break;
    const plain = isPlain(text);
    const shown = plain ? text.slice(0, columns - at) : text;
    const painted = paint(look, shown);
    line += mark?.change === "changed" && mark.cells[column] === true ? paint("changed", painted) : painted;
    if (column === cells.length - 1) break;
    const width = widths.of(column) + GAP;
    // Only the terminal knows how wide other characters are: it is told where the next column begins.
    line += plain
      ? " ".repeat(Math.max(0, Math.min(width, columns - at) - shown.length))
      : `\u001b[${at + width + 1}G`;
    at += width;
  }
  return line;
}
