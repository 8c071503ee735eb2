import type { ApiUnit, ClientMachine } from "@fleet/api/client";
import { parseUnitFile, type TargetState, type UnitOption } from "@fleet/core";
import { describe, expect, it } from "vitest";
import type { ImportSource } from "../../../../packages/fleetctl/src/import/import-source.ts";
import { machineDifferences } from "../../../../packages/fleetctl/src/import/machine-differences.ts";
import {
  type ImportRules,
  type PlannedImport,
  planImport,
  runningInBoth,
} from "../../../../packages/fleetctl/src/import/plan-import.ts";

const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
const other = "[Service]\nExecStart=/bin/sleep 1\n";

function options(text: string): readonly UnitOption[] {
  const parsed = parseUnitFile(text);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return parsed.value;
}

function from(
  ...units: readonly (readonly [name: string, text: string, target: TargetState])[]
): ImportSource {
  return {
    kind: "cluster",
    from: "http://10.0.0.2:49153",
    units: units.map(([name, text, target]) => ({ name, options: options(text), target })),
    unreadable: [],
    skipped: [],
    machines: [],
  };
}

function present(name: string, text: string, desiredState: TargetState): ApiUnit {
  return { name, options: [...options(text)], desiredState };
}

function machine(id: string, metadata: Record<string, string> = {}): ClientMachine {
  return { id, primaryIP: "", metadata };
}

function plan(
  source: ImportSource,
  units: readonly ApiUnit[] = [],
  rules: Partial<ImportRules> = {},
  machines: readonly ClientMachine[] = [],
): readonly PlannedImport[] {
  const all = { maxState: "launched", replace: false, takes: () => true } as const;
  return planImport(source, { units, machines }, { ...all, ...rules });
}

describe("a target state", () => {
  it.each<[there: TargetState, here: TargetState | undefined, maxState: TargetState, wanted: TargetState]>([
    ["inactive", undefined, "launched", "inactive"],
    ["loaded", undefined, "launched", "loaded"],
    ["launched", undefined, "launched", "launched"],
    ["launched", undefined, "loaded", "loaded"],
    ["launched", undefined, "inactive", "inactive"],
    ["loaded", "inactive", "launched", "loaded"],
    ["launched", "inactive", "loaded", "loaded"],
    // What runs here already goes on running, whatever became of it there.
    ["inactive", "launched", "launched", "launched"],
    ["launched", "launched", "inactive", "launched"],
    ["loaded", "launched", "launched", "launched"],
  ])("%s there, %s here, at most %s: %s", (there, here, maxState, wanted) => {
    const units = here === undefined ? [] : [present("a.service", sleeper, here)];
    const [unit] = plan(from(["a.service", sleeper, there]), units, { maxState });
    expect(unit).toMatchObject({ content: here === undefined ? "create" : "same", wanted });
  });

  it("of a template is inactive", () => {
    expect(plan(from(["a@.service", sleeper, "launched"]))).toMatchObject([{ wanted: "inactive" }]);
  });
});

describe("other content here", () => {
  it("is left alone, its target state included", () => {
    expect(
      plan(from(["a.service", other, "launched"]), [present("a.service", sleeper, "loaded")]),
    ).toMatchObject([{ content: "differs", here: "loaded", wanted: "loaded" }]);
  });

  it("is replaced when asked for, and goes on running", () => {
    const here = [present("a.service", sleeper, "launched")];
    expect(plan(from(["a.service", other, "inactive"]), here, { replace: true })).toMatchObject([
      { content: "replace", wanted: "launched" },
    ]);
  });
});

describe("a unit that is refused", () => {
  it.each([
    [
      "two requirements that exclude each other",
      `${sleeper}[X-Fleet]\nGlobal=true\nMachineOf=b.service\n`,
      "Global",
    ],
    ["no options", "", "no options"],
  ])("for %s says why", (_, text, problem) => {
    const [unit] = plan(from(["a.service", text, "launched"]));
    expect(unit).toMatchObject({ content: "refused", wanted: undefined });
    expect(unit?.problems.join()).toContain(problem);
  });

  it("because it cannot be read says why", () => {
    const source = { ...from(), unreadable: [{ name: "a.service", problem: "it is not UTF-8 text" }] };
    expect(plan(source)).toMatchObject([{ content: "refused", problems: ["it is not UTF-8 text"] }]);
  });
});

describe("a warning", () => {
  const here = [machine("a".repeat(32), { region: "eu" })];
  it.each([
    ["an unknown key", "Foo=1", 'unrecognized requirement in [X-Fleet] section: "Foo"'],
    ["the book's MachineOf", "ConditionMachineOf=b.service", "counts here as MachineOf"],
    ["pairs without quotes", "MachineMetadata=region=eu disk=ssd", "counts here as several pairs"],
    ["a machine that is not here", `MachineID=${"b".repeat(32)}`, "not in this cluster now"],
    ["metadata that no machine has", "MachineMetadata=region=us", "no machine in this cluster now"],
  ])("tells of %s", (_, line, warning) => {
    const [unit] = plan(from(["a.service", `${sleeper}[X-Fleet]\n${line}\n`, "launched"]), [], {}, here);
    expect(unit?.content).toBe("create");
    expect(unit?.warnings.join("\n")).toContain(warning);
  });

  it.each([
    ["quoted pairs", 'MachineMetadata="region=eu" "region=us"'],
    ["a machine that is here", `MachineID=${"a".repeat(8)}`],
  ])("is not given for %s", (_, line) => {
    const [unit] = plan(from(["a.service", `${sleeper}[X-Fleet]\n${line}\n`, "launched"]), [], {}, here);
    expect(unit?.warnings).toEqual([]);
  });
});

it("only the units asked for are planned, by name", () => {
  const source = from(
    ["b.service", sleeper, "loaded"],
    ["c.service", sleeper, "loaded"],
    ["a.service", sleeper, "loaded"],
  );
  const names = plan(source, [], { takes: (name) => name !== "c.service" }).map(({ name }) => name);
  expect(names).toEqual(["a.service", "b.service"]);
});

describe("units that run in both clusters", () => {
  const source = from(["a.service", sleeper, "launched"], ["b.service", sleeper, "loaded"]);
  it("are told", () => expect(runningInBoth(source, plan(source))).toEqual(["a.service"]));
  it("are none when none is launched here", () =>
    expect(runningInBoth(source, plan(source, [], { maxState: "loaded" }))).toEqual([]));
  it("are told as long as they do", () =>
    expect(runningInBoth(source, plan(source, [present("a.service", sleeper, "launched")]))).toEqual([
      "a.service",
    ]));
  it("are none for a directory", () =>
    expect(runningInBoth({ ...source, kind: "directory" }, plan(source))).toEqual([]));
});

it("machines that are missing, or have other metadata, are told", () => {
  const there = [machine("a", { k: "1", l: "2" }), machine("b", { k: "1" }), machine("c")];
  const here = [machine("a", { l: "2", k: "1" }), machine("b", { k: "2" })];
  expect(machineDifferences(there, here)).toEqual([
    { id: "b", metadataThere: { k: "1" }, metadataHere: { k: "2" } },
    { id: "c", metadataThere: {}, metadataHere: undefined },
  ]);
});
