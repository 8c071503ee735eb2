import { parseUnitFile, type Requirements, readRequirements, requirementsOf } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

function read(text: string, name = "web@blue.service") {
  const parsed = parseUnitFile(`[X-Fleet]\n${text}`);
  return readRequirements(name, parsed.ok ? parsed.value : []);
}

const none: Requirements = {
  machineId: undefined,
  machineOf: [],
  metadata: new Map(),
  conflicts: [],
  replaces: [],
  global: false,
};

describe("requirementsOf", () => {
  const table: readonly (readonly [string, string, Partial<Requirements>])[] = [
    ["no option", "", {}],
    ["MachineID", "MachineID=abc", { machineId: "abc" }],
    ["a quoted MachineID", 'MachineID="abc"', { machineId: "abc" }],
    ["X-ConditionMachineID", "X-ConditionMachineID=abc", { machineId: "abc" }],
    ["X-ConditionMachineBootID", "X-ConditionMachineBootID=abc", { machineId: "abc" }],
    [
      "the modern MachineID before an older one",
      "X-ConditionMachineID=old\nMachineID=new",
      { machineId: "new" },
    ],
    ["the first MachineID", "MachineID=a\nMachineID=b", { machineId: "a" }],
    [
      "MachineOf, all of them",
      "MachineOf=a.service\nMachineOf=b.service",
      { machineOf: ["a.service", "b.service"] },
    ],
    [
      "a MachineOf list without repeats",
      "MachineOf=a.service  a.service b.service",
      { machineOf: ["a.service", "b.service"] },
    ],
    ["X-ConditionMachineOf", "X-ConditionMachineOf=a.service", { machineOf: ["a.service"] }],
    ["ConditionMachineOf", "ConditionMachineOf=a.service", { machineOf: ["a.service"] }],
    ["MachineMetadata", "MachineMetadata=a=1", { metadata: new Map([["a", ["1"]]]) }],
    ["X-ConditionMachineMetadata", "X-ConditionMachineMetadata=a=1", { metadata: new Map([["a", ["1"]]]) }],
    [
      "metadata: a key twice and another",
      'MachineMetadata="a=1" "b=2"\nMachineMetadata=a=3\nMachineMetadata=a=1',
      {
        metadata: new Map([
          ["a", ["1", "3"]],
          ["b", ["2"]],
        ]),
      },
    ],
    [
      "metadata separated by blanks",
      "MachineMetadata=a=1  b=2",
      {
        metadata: new Map([
          ["a", ["1"]],
          ["b", ["2"]],
        ]),
      },
    ],
    [
      "a blank inside a metadata value",
      "MachineMetadata=a=one two",
      { metadata: new Map([["a", ["one two"]]]) },
    ],
    [
      "a quoted blank inside a metadata value",
      'MachineMetadata="a=one two" "b=2"',
      {
        metadata: new Map([
          ["a", ["one two"]],
          ["b", ["2"]],
        ]),
      },
    ],
    [
      "metadata beside pairs that are none",
      "MachineMetadata=x\nMachineMetadata=b=\nMachineMetadata=c=1",
      {
        metadata: new Map([["c", ["1"]]]),
      },
    ],
    ["Conflicts, separated or repeated", "Conflicts=a* b*\nConflicts=c*", { conflicts: ["a*", "b*", "c*"] }],
    ["X-Conflicts", "X-Conflicts=a*", { conflicts: ["a*"] }],
    ["quoted Conflicts", 'Conflicts="a.service" "b.service"', { conflicts: ["a.service", "b.service"] }],
    ["continued Conflicts", "Conflicts=a* \\\n# c*\n b*", { conflicts: ["a*", "b*"] }],
    ["Replaces", "Replaces=a*", { replaces: ["a*"] }],
    ["the last Global", "Global=true\nGlobal=no", { global: false }],
    ["Exclusive, with systemd's default time to stop", "Exclusive=true", { exclusive: { stopMs: 90_000 } }],
    ["the last Exclusive", "Exclusive=true\nExclusive=false", {}],
    [
      "Exclusive with a time to stop",
      "Exclusive=true\n[Service]\nTimeoutStopSec=2\nExecStop=/bin/true",
      { exclusive: { stopMs: 4_000 } },
    ],
    ["Global after false", "Global=false\nGlobal=YES", { global: true }],
    [
      "specifiers",
      "MachineOf=%n %N %p.socket a@%i.service %H",
      {
        machineOf: ["web@blue.service", "web@blue", "web.socket", "a@blue.service", "%H"],
      },
    ],
    ["a doubled percent sign", "MachineMetadata=a=%%n", { metadata: new Map([["a", ["%n"]]]) }],
  ];

  it.each(table)("reads %s", (_title, text, expected) => {
    expect(read(text).requirements).toEqual({ ...none, ...expected });
  });

  it.each(["true", "yes", "1", "on", "t", "TRUE", "On"])("takes Global=%s as true", (value) => {
    expect(read(`Global=${value}`).requirements.global).toBe(true);
  });

  it("takes a name in a glob literally", () => {
    expect(read("Conflicts=%p*", "a\\x2db.service").requirements.conflicts).toEqual(["a\\\\x2db*"]);
    expect(read("MachineOf=%p.socket", "a\\x2db.service").requirements.machineOf).toEqual(["a\\x2db.socket"]);
  });

  it("reads only its own section", () => {
    expect(requirementsOf("a.service", [{ section: "Unit", name: "Conflicts", value: "*" }])).toEqual(none);
  });
});

describe("warnings", () => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ["Conflicts=a*\nMachineMetadata=a=1", []],
    ["Foo=1\nFoo=2", ['unrecognized requirement in [X-Fleet] section: "Foo"']],
    ["machineid=1", ['unrecognized requirement in [X-Fleet] section: "machineid"']],
    ["MachineMetadata=a", ['MachineMetadata "a" is ignored: write it as key=value']],
    ["MachineMetadata=a=", ['MachineMetadata "a=" is ignored: write it as key=value']],
    ["MachineMetadata==a", ['MachineMetadata "=a" is ignored: write it as key=value']],
    ["MachineMetadata=a=b=c", ['MachineMetadata "a=b=c" is ignored: write it as key=value']],
    ["MachineID=a\nMachineID=b", ['MachineID is given several times: only "a" counts']],
    ["MachineID=", ["MachineID is empty: no machine matches it"]],
    ["Conflicts=[", ['Conflicts "[" is not a valid pattern: it matches nothing']],
    ["Global=maybe", ['Global "maybe" is taken as false: write true or false']],
    ["MachineOf=%n", ["MachineOf names the unit itself: it can never be placed"]],
  ];

  it.each(table)("%j", (text, warnings) => {
    expect(read(text).warnings).toEqual(warnings);
  });
});

describe("any values", () => {
  it("are read without an error", () => {
    const name = fc.constantFrom(
      "MachineID",
      "MachineOf",
      "MachineMetadata",
      "Conflicts",
      "Replaces",
      "Global",
      "X",
    );
    const piece = fc.constantFrom('"', " ", "=", "%", "%n", "%i", "\\", "\\\n", "\n", "#", "*", "[", "a");
    const value = fc.oneof(
      fc.string(),
      fc.array(piece).map((pieces) => pieces.join("")),
    );
    const options = fc.array(fc.record({ section: fc.constant("X-Fleet"), name, value }));
    fc.assert(
      fc.property(options, fc.oneof(fc.constant("a@b.service"), fc.string()), (given, unitName) => {
        const { requirements } = readRequirements(unitName, given);
        for (const glob of [...requirements.conflicts, ...requirements.replaces])
          expect(glob).toMatch(/^\S+$/);
        for (const [key, values] of requirements.metadata) {
          expect(key).not.toBe("");
          expect(values.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  const half = 512 * 1024;
  const huge: readonly (readonly [string, string])[] = [
    ["MachineMetadata", Array.from({ length: 100_000 }, (_, index) => `k=${index}`).join(" ")],
    ["MachineMetadata", `"${"a=1 ".repeat(half / 2)}"`],
    ["Conflicts", "a ".repeat(half)],
    ["MachineOf", Array.from({ length: 100_000 }, (_, index) => `"${index}"`).join(" ")],
    ["MachineOf", "\\\n".repeat(half)],
    ["Replaces", "[".repeat(half)],
  ];

  it.each(huge)(
    "are read in linear time: %s",
    (name, value) => {
      expect(read(`${name}=${value}`).requirements.global).toBe(false);
    },
    5000,
  );
});

describe("RescheduleOnFailure", () => {
  const limits: readonly (readonly [string, Requirements["reschedule"]])[] = [
    ["RescheduleOnFailure=true", { burst: 3, intervalMs: 600_000 }],
    ["RescheduleOnFailure=no\nRescheduleOnFailure=yes", { burst: 3, intervalMs: 600_000 }],
    ["RescheduleOnFailure=true\nRescheduleLimitBurst=1", { burst: 1, intervalMs: 600_000 }],
    ["RescheduleOnFailure=true\nRescheduleLimitIntervalSec=1h 30min", { burst: 3, intervalMs: 5_400_000 }],
    [
      "RescheduleOnFailure=true\nRescheduleLimitIntervalSec=infinity",
      { burst: 3, intervalMs: Number.POSITIVE_INFINITY },
    ],
    ["RescheduleOnFailure=false", undefined],
  ];

  it.each(limits)("%s", (text, expected) => {
    const { requirements, warnings } = read(text);
    expect([requirements.reschedule, warnings]).toEqual([expected, []]);
  });

  const odd: readonly (readonly [string, Requirements["reschedule"], string])[] = [
    ["RescheduleOnFailure=perhaps", undefined, 'RescheduleOnFailure "perhaps" is taken as false'],
    ["RescheduleLimitBurst=2", undefined, "need RescheduleOnFailure=true"],
    [
      "RescheduleOnFailure=true\nRescheduleLimitBurst=0",
      { burst: 3, intervalMs: 600_000 },
      'RescheduleLimitBurst "0" is taken as 3: write a number from 1 to 100',
    ],
    [
      "RescheduleOnFailure=true\nRescheduleLimitIntervalSec=soon",
      { burst: 3, intervalMs: 600_000 },
      'RescheduleLimitIntervalSec "soon" is taken as 10min',
    ],
    [
      "RescheduleOnFailure=true\nMachineOf=b.service",
      { burst: 3, intervalMs: 600_000 },
      "RescheduleOnFailure has no effect beside MachineOf",
    ],
  ];

  it.each(odd)("%s is warned about", (text, expected, warning) => {
    const { requirements, warnings } = read(text);
    expect(requirements.reschedule).toEqual(expected);
    expect(warnings).toEqual([expect.stringContaining(warning)]);
  });
});
