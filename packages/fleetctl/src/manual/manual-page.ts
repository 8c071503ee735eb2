import type { Block, Document } from "./document.ts";
import { wrapped, wrappedUsage } from "./wrapped.ts";

/** Characters of a line of source. */
const sourceWidth = 72;

/** A document as a manual page, in the macros of man(7). `related` are the pages it points to. */
export function manualPage(
  { name, summary, sections }: Document,
  about: { readonly version: string; readonly related: readonly string[] },
): string {
  const title = name.toUpperCase();
  const shown = sections.filter(({ blocks }) =>
    blocks.some((block) => block.kind !== "terms" || block.terms.length > 0),
  );
  return [
    `.TH ${title} 1 "" "fleet ${about.version}" "fleet"`,
    ".SH NAME",
    // mandb reads this line: one dash, escaped, between name and summary.
    `${escaped(name)} \\- ${escaped(summary)}`,
    ...shown.flatMap((section) => [
      `.SH ${section.title === "USAGE" ? "SYNOPSIS" : section.title}`,
      ...section.blocks.flatMap((block, index) => blockLines(block, index > 0)),
      ...(section.title === "SEE ALSO" ? relatedLines(about.related) : []),
    ]),
    "",
  ].join("\n");
}

function blockLines(block: Block, follows: boolean): readonly string[] {
  switch (block.kind) {
    case "paragraph":
      return [...(follows ? [".PP"] : []), ...filled(block.text)];
    case "usage":
      return [".nf", ...wrappedUsage(block.text, sourceWidth).map(literal), ".fi"];
    case "command":
      // Not filled, so that it can be copied as it stands.
      return [".PP", ".RS 4", ".nf", literal(block.text), ".fi", ".RE"];
    case "terms":
      return block.terms.flatMap(([term, meaning]) => [".TP", `.B ${literal(term)}`, ...filled(meaning)]);
  }
}

function relatedLines(related: readonly string[]): readonly string[] {
  const last = related.length - 1;
  return [".PP", ...related.map((page, index) => `.BR ${literal(page)} (1)${index === last ? "" : ","}`)];
}

/** Text that roff is to break as the page is wide. */
function filled(text: string): readonly string[] {
  return wrapped(text, sourceWidth).map(escaped);
}

/** Text in which roff finds nothing to obey. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\(rs").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
}

/** The same where every character is to be typed: roff would make typographic quotes of these. */
function literal(text: string): string {
  return escaped(text)
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("~", "\\(ti")
    .replaceAll('"', "\\(dq");
}
