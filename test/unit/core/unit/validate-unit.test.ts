import { parseUnitFile, type UnitOption, validateUnit } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

function options(...xFleet: readonly string[]): readonly UnitOption[] {
  const parsed = parseUnitFile(["[Service]", "ExecStart=/bin/true", "[X-Fleet]", ...xFleet].join("\n"));
  return parsed.ok ? parsed.value : [];
}

describe("validateUnit", () => {
  const refused: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["MachineID=a", "MachineOf=b.service"], ["MachineID cannot be used with Peers (MachineOf)"]],
    [["X-ConditionMachineBootID=a", "X-Conflicts=b*"], ["MachineID cannot be used with Conflicts"]],
    [["MachineID=a", "Global=true"], ["MachineID cannot be used with Global"]],
    [["MachineID=a", "Replaces=b*"], ["MachineID cannot be used with Replaces"]],
    [["Global=true", "ConditionMachineOf=b.service"], ["Global cannot be used with Peers (MachineOf)"]],
    [["Global=true", "Replaces=b*"], ["Global cannot be used with Replaces"]],
    [["Conflicts=c*", "Replaces=b*"], ["Conflicts cannot be used with Replaces"]],
    [["Exclusive=true", "Global=true"], ["Global cannot be used with Exclusive"]],
    [["RescheduleOnFailure=true", "Global=true"], ["Global cannot be used with RescheduleOnFailure"]],
    [["RescheduleOnFailure=true", "MachineID=a"], ["MachineID cannot be used with RescheduleOnFailure"]],
    [
      ["Exclusive=yes", "[Service]", "TimeoutStopSec=infinity"],
      [
        "Exclusive cannot be used with TimeoutStopSec=infinity, which lets a stop take for ever: " +
          "give a finite time, such as 90s, after which systemd kills it",
      ],
    ],
    [
      ["Exclusive=on", "[Service]", "TimeoutSec=0"],
      [
        "Exclusive cannot be used with TimeoutSec=0, which lets a stop take for ever: " +
          "give a finite time, such as 90s, after which systemd kills it",
      ],
    ],
    [
      ["Exclusive=1", "[Service]", "TimeoutStopSec=soon"],
      [
        "Exclusive cannot be used with TimeoutStopSec=soon, which is no time span that systemd reads: " +
          "give a finite time, such as 90s, after which systemd kills it",
      ],
    ],
    [["MachineOf=x", "Conflicts=x*"], ['unresolvable requirements: peer "x" matches conflict "x*"']],
    [
      ["MachineOf=%p.socket", "Conflicts=a.*"],
      ['unresolvable requirements: peer "a.socket" matches conflict "a.*"'],
    ],
    [
      ["MachineOf=b.service", "Replaces=?.service"],
      ['unresolvable requirements: peer "b.service" matches replace "?.service"'],
    ],
    [
      ["MachineID=a", "MachineOf=b.service", "Global=1"],
      [
        "MachineID cannot be used with Peers (MachineOf)",
        "MachineID cannot be used with Global",
        "Global cannot be used with Peers (MachineOf)",
      ],
    ],
  ];

  it.each(refused)("refuses %j", (lines, problems) => {
    expect(validateUnit("a.service", options(...lines)).problems).toEqual(problems);
  });

  const accepted: readonly (readonly string[])[] = [
    [],
    ["Global=false", "MachineID=a"],
    ["Global=true", "Conflicts=b*", "MachineMetadata=a=1"],
    ["MachineID=a", "MachineMetadata=a=1"],
    ["MachineOf=b.service", "Conflicts=c*"],
    ["MachineOf=b.service", "Replaces=c*"],
    ["Conflicts=%n"],
    ["Exclusive=true", "Conflicts=b*", "MachineMetadata=a=1"],
    ["Exclusive=false", "[Service]", "TimeoutStopSec=infinity"],
    ["Exclusive=true", "[Service]", "TimeoutStopSec=5min 20s"],
  ];

  it.each(accepted)("accepts %j", (...lines) => {
    expect(validateUnit("a.service", options(...lines))).toEqual({ problems: [], warnings: [] });
  });

  it.each(["KillMode=none", "KillMode=process", "SendSIGKILL=no"])(
    "warns of an exclusive unit with %s",
    (line) => {
      const { problems, warnings } = validateUnit("a.service", options("Exclusive=true", "[Service]", line));
      expect(problems).toEqual([]);
      expect(warnings).toEqual([
        `[Service] ${line} may leave processes of an exclusive unit running after its stop`,
      ]);
    },
  );

  it("refuses a name that is none", () => {
    expect(validateUnit("a", options()).problems).toEqual(['unit name must contain "."']);
  });

  it("accepts a unit with warnings", () => {
    const verdict = validateUnit("a.service", options("Foo=1"));
    expect(verdict).toEqual({
      problems: [],
      warnings: ['unrecognized requirement in [X-Fleet] section: "Foo"'],
    });
  });

  const readOtherwise: readonly (readonly [string, readonly string[]])[] = [
    ["a\rb", ["[Service] ExecStart holds a carriage return or NUL: systemd ends the line there"]],
    [
      "a\\\\\nFoo=1",
      [
        "[Service] ExecStart has a line that ends in an even number of backslashes: systemd does not continue it",
      ],
    ],
    ["a\\\\\\\n b", []],
  ];

  it.each(readOtherwise)("warns where systemd sees other lines: %j", (value, warnings) => {
    const given = [{ section: "Service", name: "ExecStart", value }];
    expect(validateUnit("a.service", given)).toEqual({ problems: [], warnings });
  });

  const unwritable: readonly (readonly [string, UnitOption])[] = [
    ["a newline in a value", { section: "A", name: "b", value: "c\nd=e" }],
    ["a newline and no equals sign", { section: "A", name: "b", value: "c\nd" }],
    ["a value that swallows the next line", { section: "A", name: "b", value: "c\\" }],
    ["a blank before a value", { section: "A", name: "b", value: " c" }],
    ["an equals sign in a name", { section: "A", name: "b=c", value: "d" }],
    ["a name that is a comment", { section: "A", name: "#b", value: "c" }],
    ["a name that is a section", { section: "A", name: "[b]", value: "c" }],
    ["a bracket in a section", { section: "A]", name: "b", value: "c" }],
    ["a newline in a section", { section: "A\n", name: "b", value: "c" }],
  ];

  it.each(unwritable)("refuses %s", (_title, given) => {
    const { problems } = validateUnit("a.service", [given, { section: "A", name: "z", value: "1" }]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/does not read back as given|cannot be written as a unit file/);
  });

  it("accepts a continued value, and options of a section that are apart", () => {
    const given = [
      { section: "A", name: "b", value: "c \\\n d" },
      { section: "B", name: "b", value: "c" },
      { section: "A", name: "b", value: "e" },
    ];
    expect(validateUnit("a.service", given).problems).toEqual([]);
  });

  it("refuses more than 1 MiB, in bytes", () => {
    const fitting = "x".repeat(1024 * 1024 - "[A]\nb=\n".length);
    const unit = (value: string) => validateUnit("a.service", [{ section: "A", name: "b", value }]).problems;
    expect(unit(fitting)).toEqual([]);
    expect(unit(`${fitting}x`)).toEqual(["the unit file is 1048577 bytes long: the limit is 1048576"]);
    expect(unit("监".repeat(350_000))).toEqual(["the unit file is 1050007 bytes long: the limit is 1048576"]);
  });

  it("bounds what one unit can cost", () => {
    const tooLong = ["the [X-Fleet] section is longer than 16384 characters"];
    const many = "*a*a*b ".repeat(50_000);
    expect(validateUnit("a.service", options(`MachineOf=${many}`, `Conflicts=${many}`)).problems).toEqual(
      tooLong,
    );
    const expanding = Array.from({ length: 1000 }, (_, index) => `%n${index}`).join(" ");
    expect(validateUnit(`${"a".repeat(200)}.service`, options(`Conflicts=${expanding}`)).problems).toEqual(
      tooLong,
    );
    const name = `${"a".repeat(245)}.service`;
    const costly = [`MachineOf=${name.repeat(30)}`, `Conflicts=${"*a".repeat(3500)}b`];
    expect(validateUnit("a.service", options(...costly)).problems).toEqual([]);
  }, 5000);

  it("judges anything", () => {
    const option = fc.record({
      section: fc.string(),
      name: fc.string(),
      value: fc.string({ unit: "binary" }),
    });
    fc.assert(
      fc.property(fc.string(), fc.array(option), (name, given) => {
        const { problems } = validateUnit(name, given);
        expect(problems.every((problem) => problem !== "")).toBe(true);
      }),
    );
  });
});
