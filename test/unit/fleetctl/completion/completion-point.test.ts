import { describe, expect, it } from "vitest";
import { completionPoint } from "../../../../packages/fleetctl/src/completion/completion-point.ts";

/** What can stand there, in few words. */
function wanted(line: string): string {
  const { wants, kept } = completionPoint(line.split(" "));
  switch (wants.kind) {
    case "command":
      return "command";
    case "flag":
      return wants.flags.some(({ name }) => name === "state") ? "flags of the command" : "global flags";
    case "value":
      return `value of ${wants.flag.name} after ${kept}`;
    case "argument":
      return wants.takes.join(" and ") || "nothing";
  }
}

describe("completionPoint", () => {
  it.each([
    ["", "command"],
    ["list-", "command"],
    ["--", "global flags"],
    ["--endpoint ", "value of endpoint after "],
    ["--endpoint http://a ", "command"],
    ["--json list-units ", "unit"],
    ["list-units --", "flags of the command"],
    ["list-units --state ", "value of state after "],
    ["list-units --state=a,b", "value of state after --state=a,"],
    ["list-units -state=", "value of state after -state="],
    ["list-units a --machine 0a,", "value of machine after 0a,"],
    ["stop a ", "unit"],
    ["cat ", "unit and template"],
    ["cat a ", "nothing"],
    ["start ", "unit and file"],
    ["stop -- --", "unit"],
    ["help st", "command"],
    ["ssh ", "machine and unit"],
    // What follows is the command.
    ["ssh hello ", "nothing"],
  ])("after %j: %s", (line, expected) => {
    expect(wanted(line)).toBe(expected);
  });

  it("keeps the flags that say which cluster is meant", () => {
    const { flags, given } = completionPoint([
      "--endpoint=http://a",
      "stop",
      "-request-timeout",
      "1",
      "b",
      "",
    ]);
    expect(Object.fromEntries(flags)).toEqual({ endpoint: "http://a", "request-timeout": "1" });
    expect(given).toEqual(["b"]);
  });

  it.each(["frobnicate ", "list-units --nope ", "--request-timeout=soon stop "])("refuses %j", (line) => {
    expect(() => completionPoint(line.split(" "))).toThrow();
  });
});
