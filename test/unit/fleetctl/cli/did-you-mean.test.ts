import { describe, expect, it } from "vitest";
import { nearest } from "../../../../packages/fleetctl/src/cli/did-you-mean.ts";

describe("nearest", () => {
  const known = ["cat", "list-machines", "list-unit-files", "list-units", "load", "start", "status", "stop"];
  it.each([
    ["lits-units", ["list-units"]],
    ["listunits", ["list-units"]],
    ["list-machine", ["list-machines"]],
    ["strat", ["start"]],
    ["stat", ["start"]],
    ["laod", ["load"]],
    ["ct", []],
    ["frobnicate", []],
    ["", []],
  ])("of %s is %j", (word, expected) => {
    expect(nearest(word, known)).toEqual(expected);
  });

  it("names those alike, three at most, by name", () => {
    expect(nearest("web-0", ["web-4", "web-1", "web-3", "web-2"])).toEqual(["web-1", "web-2", "web-3"]);
  });
});
