import { describe, expect, it } from "vitest";
import { machineMatcher } from "../../../../packages/fleetctl/src/output/machine-arguments.ts";
import { machinesNamed } from "../../../../packages/fleetctl/src/output/machine-filter.ts";

const machines = [
  { id: "0acdd9bf", primaryIP: "10.0.0.1", metadata: { region: "eu", role: "db" } },
  { id: "0acdffff", primaryIP: "10.0.0.10", metadata: { region: "us", role: "db" } },
  { id: "1bcd0000", primaryIP: "", metadata: {} },
];

describe("--machine", () => {
  it.each([
    ["0acdd", ["0acdd9bf"]],
    ["0acdffff", ["0acdffff"]],
    // An address is no beginning: 10.0.0.1 is not 10.0.0.10.
    ["10.0.0.1", ["0acdd9bf"]],
    ["1,0acdf", ["1bcd0000", "0acdffff"]],
    ["0acdd9bf.../10.0.0.1", ["0acdd9bf"]],
    ["1bcd0000...", ["1bcd0000"]],
  ])("%s names %j", (list, ids) => {
    expect([...machinesNamed(list, machines)]).toEqual(ids);
  });

  it("an IP that machines share names them all", () => {
    const twins = ["1", "2"].map((id) => ({ id, primaryIP: "10.0.0.1" }));
    expect([...machinesNamed("10.0.0.1", twins)]).toEqual(["1", "2"]);
  });

  it.each([
    ["0acd", '--machine: "0acd" is ambiguous: 0acdd9bf, 0acdffff'],
    ["0acdd,2", '--machine: no machine has the id or IP "2"'],
    ["0acdd,", '--machine: no machine has the id or IP ""'],
    ["10.0.0", '--machine: no machine has the id or IP "10.0.0"'],
  ])("%s is refused", (list, message) => {
    expect(() => machinesNamed(list, machines)).toThrow(message);
  });
});

describe("arguments of list-machines", () => {
  it.each([
    [["0acd"], ["0acdd9bf", "0acdffff"]],
    [["10.0.0.1"], ["0acdd9bf"]],
    [["0acdd9bf.../10.0.0.1"], ["0acdd9bf"]],
    [["10.0.*"], ["0acdd9bf", "0acdffff"]],
    [
      ["*ff", "1"],
      ["0acdffff", "1bcd0000"],
    ],
    [["role=db"], ["0acdd9bf", "0acdffff"]],
    [["role=db", "region=e?"], ["0acdd9bf"]],
    [["role=db", "0acdf", "1"], ["0acdffff"]],
    [["role="], []],
    [["constructor=*"], []],
  ])("%j choose %j", (args, ids) => {
    expect(machines.filter(machineMatcher(args)).map(({ id }) => id)).toEqual(ids);
  });
});
