import { describe, expect, it } from "vitest";
import { type Flag, FlagValues, UsageError } from "../../../../packages/fleetctl/src/cli/flag.ts";
import { parseFlags, splitAtCommand } from "../../../../packages/fleetctl/src/cli/parse-flags.ts";

const flags: readonly Flag[] = [
  { name: "endpoint", kind: "text", fallback: "unix:///x", help: "" },
  { name: "full", short: "l", kind: "switch", fallback: "false", help: "" },
  { name: "no-legend", kind: "switch", fallback: "false", help: "" },
  { name: "lines", short: "n", kind: "count", fallback: "10", help: "" },
  { name: "timeout", kind: "seconds", fallback: "3.0", help: "" },
];

describe("parseFlags", () => {
  const cases: readonly [string, Record<string, string>, readonly string[]][] = [
    ["--endpoint=http://a a.service", { endpoint: "http://a" }, ["a.service"]],
    ["--endpoint http://a a.service", { endpoint: "http://a" }, ["a.service"]],
    ["-endpoint http://a", { endpoint: "http://a" }, []],
    ["-endpoint=a=b", { endpoint: "a=b" }, []],
    ["--endpoint=", { endpoint: "" }, []],
    ["-l", { full: "true" }, []],
    ["-full --no-legend", { full: "true", "no-legend": "true" }, []],
    ["--no-legend=false", { "no-legend": "false" }, []],
    ["-no-legend=0", { "no-legend": "0" }, []],
    ["-l=false", { full: "false" }, []],
    ["-n 5 x", { lines: "5" }, ["x"]],
    ["-n5", { lines: "5" }, []],
    ["-n=5", { lines: "5" }, []],
    ["-ln 5", { full: "true", lines: "5" }, []],
    ["--lines -1", { lines: "-1" }, []],
    // What a flag waits for is its value, even when it looks like another flag with one dash.
    ["--endpoint -full a", { endpoint: "-full" }, ["a"]],
    ["a -l b", { full: "true" }, ["a", "b"]],
    ["-- -l --no-legend", {}, ["-l", "--no-legend"]],
    ["a -- -full", {}, ["a", "-full"]],
    ["--lines=1 --lines=2", { lines: "2" }, []],
    ["-", {}, ["-"]],
  ];
  it.each(cases)("%s", (line, given, positionals) => {
    const parsed = parseFlags(line.split(" "), flags);
    expect(Object.fromEntries(parsed.given)).toEqual(given);
    expect(parsed.positionals).toEqual(positionals);
  });

  it.each([
    ["--nope", "unknown flag: --nope"],
    ["-x", "unknown flag: -x"],
    ["-nope", 'invalid value "ope" for flag --lines: expected a whole number'],
    ["--endpoint", "flag needs an argument: --endpoint"],
    ["--full=maybe", 'invalid value "maybe" for flag --full: expected true or false'],
    ["--lines=many", 'invalid value "many" for flag --lines: expected a whole number'],
    ["--timeout=0", 'invalid value "0" for flag --timeout: expected a number of seconds above 0'],
    ["--timeout=-1", 'invalid value "-1" for flag --timeout: expected a number of seconds above 0'],
    ["--timeout=3s", 'invalid value "3s" for flag --timeout: expected a number of seconds above 0'],
  ])("refuses %s", (line, message) => {
    const read = () => new FlagValues(flags, parseFlags(line.split(" "), flags).given);
    expect(read).toThrow(new UsageError(message));
  });
});

describe("FlagValues", () => {
  it("falls back to the default of a flag that was not given", () => {
    const values = new FlagValues(flags, new Map([["timeout", "0.5"]]));
    expect(values.text("endpoint")).toBe("unix:///x");
    expect(values.on("full")).toBe(false);
    expect(values.number("lines")).toBe(10);
    expect(values.number("timeout")).toBe(0.5);
  });

  it.each(["1", "t", "T", "TRUE", "true", "True"])("takes %s for true, as Go does", (text) => {
    expect(new FlagValues(flags, new Map([["full", text]])).on("full")).toBe(true);
  });
});

describe("splitAtCommand", () => {
  it.each([
    ["list-units -l", [], "list-units", ["-l"]],
    ["--endpoint http://a list-units", ["--endpoint", "http://a"], "list-units", []],
    ["-endpoint=http://a -full cat --lines 3", ["-endpoint=http://a", "-full"], "cat", ["--lines", "3"]],
    ["--full", ["--full"], undefined, []],
    ["cat -- -x", [], "cat", ["--", "-x"]],
  ])("%s", (line, before, command, after) => {
    expect(splitAtCommand(line.split(" "), flags)).toEqual({ before, command, after });
  });
});
