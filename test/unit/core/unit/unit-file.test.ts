import { readFileSync } from "node:fs";
import { hasInstallSection, parseUnitFile, serializeUnitFile, type UnitOption, unitHash } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

/** A text with fleet's hash of it and the text it serialises to, or with its error. */
type RecordedReading =
  | { readonly text: string; readonly hash: string; readonly serialised: string }
  | { readonly text: string; readonly error: string };

const cases = readFileSync(new URL("../../../fixtures/unit-file-cases.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line): RecordedReading => JSON.parse(line));

const mebibyte = 1024 * 1024;

function parsed(text: string): readonly UnitOption[] {
  const result = parseUnitFile(text);
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}

function problem(text: string): string {
  const result = parseUnitFile(text);
  return result.ok ? "none" : result.problem.message;
}

function option(section: string, name: string, value: string): UnitOption {
  return { section, name, value };
}

/** Serialising brings the options of a section together, sections in order of first appearance. */
function grouped(options: readonly UnitOption[]): readonly UnitOption[] {
  const sections = [...new Set(options.map(({ section }) => section))];
  return sections.flatMap((section) => options.filter((candidate) => candidate.section === section));
}

describe("fleet's own readings", () => {
  /** Fleet refuses a comment between continued lines; systemd reads it, so ours does. */
  const acceptedToo = ["[Service]\nExecStart=/bin/x \\\n# not a comment\n y\n"];

  it("has all recorded files", () => {
    expect(cases).toHaveLength(12);
  });

  it.each(cases)("$text", (situation) => {
    if ("hash" in situation) {
      const options = parsed(situation.text);
      expect(serializeUnitFile(options)).toBe(situation.serialised);
      expect(unitHash(options)).toBe(situation.hash);
    } else {
      expect(parseUnitFile(situation.text).ok).toBe(acceptedToo.includes(situation.text));
    }
  });
});

describe("parseUnitFile", () => {
  const readings: readonly (readonly [string, string, readonly UnitOption[]])[] = [
    ["nothing", "", []],
    ["nothing but text before a section", "A=b\n# c\\\n", []],
    ["a comment before the first section continues nothing", "# c \\\n[A]\nb=c", [option("A", "b", "c")]],
    ["a byte order mark", "\uFEFF[A]\nb=c\n", [option("A", "b", "c")]],
    ["an empty value", "[A]\nb=\nc= \n", [option("A", "b", ""), option("A", "c", "")]],
    ["a repeated option", "[A]\nb=1\nb=2\n", [option("A", "b", "1"), option("A", "b", "2")]],
    ["UTF-8", "[A]\nb= 监控 \n", [option("A", "b", "监控")]],
    ["indented lines", "[A]\n  b = c\n\t[D]\n e=f", [option("A", "b", "c"), option("D", "e", "f")]],
    [
      "a comment between continued lines, which systemd drops itself",
      "[A]\nb=1 \\\n  # no\n; nor this\\\n 2\nc=3\n",
      [option("A", "b", "1 \\\n  # no\n; nor this\\\n 2"), option("A", "c", "3")],
    ],
    [
      "a backslash before CRLF",
      "[A]\r\nb=1 \\\r\n 2\r\nc=3\r\n",
      [option("A", "b", "1 \\\n 2"), option("A", "c", "3")],
    ],
    ["a comment that ends in a backslash and CRLF", "[A]\r\n# b\\\r\nc=d\r\n", [option("A", "c", "d")]],
    [
      "a blank line ends a continuation",
      "[A]\nb=1 \\\n \nc=3\n",
      [option("A", "b", "1 \\\n"), option("A", "c", "3")],
    ],
    ["the end of the file ends a continuation", "[A]\nb=1 \\\n# c", [option("A", "b", "1 \\\n# c\n")]],
    [
      "a blank after a backslash: no continuation",
      "[A]\nb=1\\ \nc=3\n",
      [option("A", "b", "1\\ "), option("A", "c", "3")],
    ],
    ["a value on the next line", "[A]\nb=\\\n 1\n", [option("A", "b", "\\\n 1")]],
    [
      "a line as long as systemd reads",
      `[A]\nb=${"x".repeat(mebibyte)}\n`,
      [option("A", "b", "x".repeat(mebibyte))],
    ],
  ];

  it.each(readings)("reads %s", (_title, text, expected) => {
    const options = parsed(text);
    expect(options).toEqual(expected);
    expect(parsed(serializeUnitFile(options))).toEqual(expected);
  });

  const problems: readonly (readonly [string, string, string])[] = [
    [
      "[A]\n\nb\n",
      'line 3: "b" has no "=": write Name=Value, or start the line with # to make it a comment',
      "a name alone",
    ],
    ["[A] b\n", 'line 1: found garbage after section name A: "b": remove it', "text after a section"],
    ["[A]\nb=c\n[D\n", 'line 3: unable to find end of section "[D": close it with "]"', "an open section"],
    [
      `[A]\nb=${"x".repeat(mebibyte)}y\n`,
      "line 2: the line is longer than 1 MiB, which systemd does not read: shorten it",
      "a line longer than systemd reads",
    ],
    [
      `[A]\nb=${"é".repeat(mebibyte / 2)}y\n`,
      "line 2: the line is longer than 1 MiB, which systemd does not read: shorten it",
      "a line longer than systemd reads in bytes",
    ],
  ];

  it.each(problems)("refuses %#", (text, message) => {
    expect(problem(text)).toBe(message);
  });

  it("keeps a long line out of its message", () => {
    expect(problem(`[A]\n${"x".repeat(mebibyte)}`).length).toBeLessThan(200);
  });
});

describe("hasInstallSection", () => {
  it("tells units that are to be enabled", () => {
    expect(hasInstallSection([option("Unit", "A", "b"), option("Install", "WantedBy", "x.target")])).toBe(
      true,
    );
    expect(hasInstallSection([option("Unit", "A", "b")])).toBe(false);
  });
});

describe("any input", () => {
  const piece = fc.constantFrom(
    "[A]",
    "[B]",
    "[",
    "]",
    "=",
    "\\",
    "\n",
    "\r",
    "\r\n",
    "\\\n",
    "\\\r\n",
    "#",
    ";",
    " ",
    "\t",
    "\u0085",
    "\u00a0",
    "\uFEFF",
    "\0",
    "a",
    "b=c",
    "\n[A]\n",
    "\nx=",
    "é",
    "监",
  );
  const lines = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(""));
  const text = fc.oneof(
    lines,
    lines.map((body) => `[A]\n${body}`),
    fc.string({ unit: "binary" }),
  );

  it("is read or refused, and reads the same again once written", () => {
    fc.assert(
      fc.property(text, (input) => {
        const first = parseUnitFile(input);
        if (!first.ok) {
          expect(first.problem.message).toMatch(/^line \d+: /);
          return;
        }
        const written = serializeUnitFile(first.value);
        const second = parsed(written);
        expect(serializeUnitFile(second)).toBe(written);
        expect(second).toEqual(grouped(first.value));
      }),
      { numRuns: 3000 },
    );
  });

  it("takes all carriage returns off a comment between continued lines", () => {
    expect(serializeUnitFile(parsed("[A]\nx=\\\n;\r\r\n[A]"))).toBe("[A]\nx=\\\n;\n[A]\n");
  });

  it("keeps well-formed options as they are", () => {
    const word = fc.stringMatching(/^[A-Za-z0-9.@%-]{1,12}$/);
    const value = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(" "));
    const continued = fc.array(value, { maxLength: 3 }).map((rows) => rows.join(" \\\n  "));
    const options = fc.array(fc.record({ section: word, name: word, value: fc.oneof(value, continued) }));
    fc.assert(
      fc.property(options, (unsorted) => {
        expect(parsed(serializeUnitFile(unsorted))).toEqual(grouped(unsorted));
        expect(unitHash(unsorted)).toBe(unitHash(grouped(unsorted)));
      }),
    );
  });

  const huge: readonly (readonly [string, string])[] = [
    ["backslashes", "\\".repeat(mebibyte)],
    ["continued lines", `[A]\nb=${"\\\n".repeat(mebibyte / 2)}`],
    ["carriage returns in a comment", `[A]\nb=\\\n#${"\r".repeat(mebibyte)}x\n`],
    ["comments in a continuation", `[A]\nb=\\\n${"#\n".repeat(mebibyte / 2)}`],
    ["continued comments", `[A]\n${"#\\\n".repeat(mebibyte / 2)}`],
    ["open sections", "[".repeat(mebibyte)],
    ["blanks inside a value", `[A]\nb=${`${" ".repeat(1000)}x`.repeat(1000)}`],
    ["blank lines", "\n".repeat(mebibyte)],
    ["equals signs", `[A]\n${"=\n".repeat(mebibyte / 2)}`],
    ["sections", "[A]\n[B]\nc=d\n".repeat(mebibyte / 12)],
  ];

  it.each(huge)(
    "is read in linear time: 1 MiB of %s",
    (_title, input) => {
      const result = parseUnitFile(input);
      if (result.ok) expect(parseUnitFile(serializeUnitFile(result.value)).ok).toBe(true);
      else expect(result.problem.message.length).toBeLessThan(200);
    },
    5000,
  );
});
