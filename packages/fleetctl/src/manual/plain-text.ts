import type { Block, Document, Section } from "./document.ts";
import { wrapped, wrappedUsage } from "./wrapped.ts";

/** Columns that lines are broken at: what fits beside the indentation on most terminals. */
const textWidth = 92;

/** A term longer than this has its meaning on the next line. */
const widestTerm = 32;

/** A document as `fleetctl help` shows it. */
export function plainText({ name, summary, sections }: Document): string {
  const head: Section = {
    title: "NAME",
    blocks: [{ kind: "paragraph", text: `${name.replace(/^fleetctl-/, "")} - ${summary}` }],
  };
  return [head, ...sections]
    .filter(({ onlyInManual, blocks }) => onlyInManual !== true && blocks.some(isFilled))
    .map(({ title, blocks }) => `${title}:\n${linesOf(blocks).map(indented).join("\n")}\n`)
    .join("\n");
}

function linesOf(blocks: readonly Block[]): readonly string[] {
  return blocks.flatMap((block, index) => {
    if (index === 0) return blockLines(block);
    // What is to be typed belongs to the words before it.
    if (block.kind === "command") return blockLines(block).map(indented);
    return ["", ...blockLines(block)];
  });
}

function blockLines(block: Block): readonly string[] {
  switch (block.kind) {
    case "paragraph":
      return wrapped(block.text, textWidth);
    case "usage":
      return wrappedUsage(block.text, textWidth);
    case "command":
      return [block.text];
    case "terms":
      return termLines(block.terms);
  }
}

function termLines(terms: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.min(
    terms.reduce((widest, [term]) => Math.max(widest, term.length), 0),
    widestTerm,
  );
  return terms.flatMap(([term, meaning]) => {
    const [first = "", ...more] = wrapped(meaning, textWidth - width - 2);
    const margin = " ".repeat(width + 2);
    if (term.length > width) return [term, ...[first, ...more].map((line) => margin + line)];
    return [`${term.padEnd(width)}  ${first}`, ...more.map((line) => margin + line)];
  });
}

function indented(line: string): string {
  return line === "" ? "" : `    ${line}`;
}

function isFilled(block: Block): boolean {
  return block.kind === "terms" ? block.terms.length > 0 : block.text !== "";
}
