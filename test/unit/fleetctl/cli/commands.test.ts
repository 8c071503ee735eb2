import { describe, expect, it } from "vitest";
import { findCommand } from "../../../../packages/fleetctl/src/cli/commands/commands.ts";

describe("findCommand", () => {
  it.each([
    ["list-machines", "list-machines"],
    ["list_machines", "list-machines"],
    ["list-m", "list-machines"],
    ["list_unit_files", "list-unit-files"],
    ["list-units", "list-units"],
    // fleet has no completion: what is new takes no beginning from what is old.
    ["c", "cat"],
    ["com", "completion"],
    ["m", "man"],
    ["star", "start"],
    ["sto", "stop"],
    ["u", "unload"],
    ["lo", "load"],
  ])("%s is %s", (word, name) => {
    expect(findCommand(word).name).toBe(name);
  });

  it.each([
    ["list-unit", 'command "list-unit" is ambiguous: list-unit-files, list-units'],
    ["sta", 'command "sta" is ambiguous: start, status'],
    ["frobnicate", 'unknown command "frobnicate"'],
    ["startx", 'unknown command "startx"'],
  ])("refuses %s", (word, message) => {
    expect(() => findCommand(word)).toThrow(message);
  });
});
