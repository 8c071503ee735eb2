import { no, ok, type Result } from "../result.ts";
import type { UnitOption } from "./unit-option.ts";
import { trimSpace, utf8Length } from "./whitespace.ts";

/** systemd's own limit on a line, continuation lines included, in bytes. */
const unitFileLineBytes = 1024 * 1024;

/** Why a text is no unit file. */
export interface UnitFileProblem {
  /** Line of the text, from 1. */
  readonly line: number;
  /** For people: the line, what is wrong with it and what to do. */
  readonly message: string;
}

type Parsed = Result<readonly UnitOption[], UnitFileProblem>;

/**
 * Reads a unit file into its ordered options, as fleet does (its hashes rest on it), and where fleet gives up
 * as systemd does. Linear in the length of the text.
 *
 * Comments and blank lines go, as does anything before the first section. A line that ends in `\` goes on in the
 * next; the value keeps both lines, and comment lines between them, as written: systemd reads them again.
 */
export function parseUnitFile(text: string): Parsed {
  const lines = linesOf(text);
  const options: UnitOption[] = [];
  let section: string | undefined;

  for (let at = 0; at < lines.length; at++) {
    const line = trimSpace(lines[at] ?? "");
    if (line === "") continue;
    if (isComment(line)) {
      // Before the first section there is nothing a comment could swallow: each line stands alone.
      if (section !== undefined) at = endOfComment(lines, at);
      continue;
    }
    if (line.startsWith("[")) {
      const header = sectionOf(line);
      if (!header.ok) return problem(at, header.problem);
      section = header.value;
      continue;
    }
    if (section === undefined) continue;

    const equals = line.indexOf("=");
    if (equals === -1) {
      return problem(
        at,
        `${quote(line)} has no "=": write Name=Value, or start the line with # to make it a comment`,
      );
    }
    const { value, last } = valueAt(lines, at);
    if (isLongerThan(value, unitFileLineBytes)) {
      return problem(at, `the line is longer than 1 MiB, which systemd does not read: shorten it`);
    }
    options.push({ section, name: trimSpace(line.slice(0, equals)), value });
    at = last;
  }
  return ok(options);
}

/**
 * The text of a unit file: options grouped by section in order of first appearance, one empty line between
 * sections and none after the last. Fleet's hash is taken of exactly this text.
 */
export function serializeUnitFile(options: readonly UnitOption[]): string {
  const bySection = new Map<string, string>();
  for (const { section, name, value } of options) {
    bySection.set(section, `${bySection.get(section) ?? ""}${name}=${value}\n`);
  }
  return [...bySection].map(([section, body]) => `[${section}]\n${body}`).join("\n");
}

/** The options in the order in which the serialised text has them. */
export function groupBySection(options: readonly UnitOption[]): readonly UnitOption[] {
  const bySection = new Map<string, UnitOption[]>();
  for (const option of options) {
    const group = bySection.get(option.section);
    if (group === undefined) bySection.set(option.section, [option]);
    else group.push(option);
  }
  return [...bySection.values()].flat();
}

/** Whether a unit asks to be enabled on its machine. */
export function hasInstallSection(options: readonly UnitOption[]): boolean {
  return options.some((option) => option.section === "Install");
}

/**
 * A value as systemd understands it: continued lines joined by a space, comment lines among them dropped.
 */
export function joinContinuations(value: string): string {
  if (!value.includes("\n")) return value;
  return value
    .split("\n")
    .filter((line, index) => index === 0 || !isContinuationComment(line))
    .map((line) => (line.endsWith("\\") ? `${line.slice(0, -1)} ` : line))
    .join("");
}

function linesOf(text: string): readonly string[] {
  const withoutMark = text.startsWith("\uFEFF") ? text.slice(1) : text;
  return withoutMark.split("\n");
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function withoutReturns(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end--;
  return line.slice(0, end);
}

function isComment(trimmed: string): boolean {
  return trimmed.startsWith("#") || trimmed.startsWith(";");
}

/** systemd looks for comments between continued lines after ASCII blanks only. */
function isContinuationComment(line: string): boolean {
  let at = 0;
  while (line[at] === " " || line[at] === "\t" || line[at] === "\r") at++;
  return line[at] === "#" || line[at] === ";";
}

/**
 * In a section fleet lets a backslash continue a comment, systemd does not: what follows is fleet's to hash. A
 * carriage return after the backslash ends the comment for both.
 */
function endOfComment(lines: readonly string[], start: number): number {
  let at = start;
  while (at < lines.length - 1 && lines[at]?.endsWith("\\")) at++;
  return at;
}

function sectionOf(line: string): Result<string, string> {
  const end = line.indexOf("]");
  if (end === -1) return no(`unable to find end of section ${quote(line)}: close it with "]"`);
  const rest = line.slice(end + 1);
  if (rest !== "") {
    return no(`found garbage after section name ${line.slice(1, end)}: ${quote(trimSpace(rest))}: remove it`);
  }
  return ok(line.slice(1, end));
}

/** The value that begins after the first `=` of line `start`, and the last line it takes up. */
function valueAt(lines: readonly string[], start: number): { readonly value: string; readonly last: number } {
  const first = withoutReturn(lines[start] ?? "");
  const parts = [first.slice(first.indexOf("=") + 1)];
  if (!first.endsWith("\\")) return { value: closedValue(parts), last: start };

  for (let at = start + 1; at < lines.length; at++) {
    const line = withoutReturn(lines[at] ?? "");
    // A blank line ends a continuation. Written back, the value must end so again, or it would swallow whatever
    // line comes next.
    if (trimSpace(line) === "") return { value: openValue(parts), last: at };
    if (isContinuationComment(line)) {
      // Of several carriage returns each reading takes one: written and read again, the unit's hash would change.
      parts.push(withoutReturns(line));
      continue;
    }
    parts.push(line);
    if (!line.endsWith("\\")) return { value: closedValue(parts), last: at };
  }
  return { value: openValue(parts), last: lines.length - 1 };
}

function openValue(parts: readonly string[]): string {
  return `${trimSpace(parts.join("\n"))}\n`;
}

function closedValue(parts: readonly string[]): string {
  const value = trimSpace(parts.join("\n"));
  // A blank after a final backslash is what keeps it from continuing the line: it must survive.
  return value.endsWith("\\") ? `${value} ` : value;
}

function isLongerThan(text: string, bytes: number): boolean {
  return text.length > bytes || (text.length * 3 > bytes && utf8Length(text) > bytes);
}

function problem(index: number, message: string): Parsed {
  return no({ line: index + 1, message: `line ${index + 1}: ${message}` });
}

/** Quoted and cut: an error message must not carry a megabyte. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
