import type { Bar, Figure, Spread } from "./benchmark.ts";

/** A table for people, in Markdown, so that it can go into the documentation as it is. */
export function tableOf(figures: readonly Figure[]): string {
  const head = ["benchmark", "figure", "ours", "limit measured beside it", "ratio", "bar", ""];
  const rows = figures.map((figure) => [
    figure.benchmark,
    figure.figure,
    `${spread(figure.value)} ${figure.unit}`,
    figure.limit === undefined ? "" : `${spread(figure.limit.value)} ${figure.unit}: ${figure.limit.what}`,
    figure.ratio === undefined ? "" : spread(figure.ratio),
    figure.bars.map(({ bar }) => barText(bar, figure.unit)).join("; "),
    figure.bars.length === 0 ? "" : figure.bars.every(({ met }) => met) ? "met" : "MISSED",
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function barText({ of, atMost, atLeast }: Bar, unit: string): string {
  const suffix = of === "ratio" ? " × limit" : ` ${unit}`;
  const parts = [
    ...(atMost === undefined ? [] : [`≤ ${number(atMost)}${suffix}`]),
    ...(atLeast === undefined ? [] : [`≥ ${number(atLeast)}${suffix}`]),
  ];
  return parts.join(", ");
}

function spread({ median, least, most }: Spread): string {
  return least === most ? number(median) : `${number(median)} (${number(least)}–${number(most)})`;
}

/** Three significant digits, more only of whole numbers. */
function number(value: number): string {
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
