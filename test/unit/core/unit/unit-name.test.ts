import { parseUnitName } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

describe("parseUnitName", () => {
  const names = [
    {
      name: "hello.service",
      prefix: "hello",
      instance: undefined,
      suffix: "service",
      isTemplate: false,
      template: undefined,
    },
    {
      name: "apache@8080.service",
      prefix: "apache",
      instance: "8080",
      suffix: "service",
      isTemplate: false,
      template: "apache@.service",
    },
    {
      name: "apache@.service",
      prefix: "apache",
      instance: undefined,
      suffix: "service",
      isTemplate: true,
      template: undefined,
    },
    {
      name: "a.b@c@d.e.timer",
      prefix: "a.b",
      instance: "c@d.e",
      suffix: "timer",
      isTemplate: false,
      template: "a.b@.timer",
    },
    {
      name: "dev-\\x2dsda:1_.device",
      prefix: "dev-\\x2dsda:1_",
      instance: undefined,
      suffix: "device",
      isTemplate: false,
      template: undefined,
    },
  ];

  it.each(names)("reads $name", (expected) => {
    expect(parseUnitName(expected.name)).toEqual({ ok: true, value: expected });
  });

  const problems: readonly (readonly [string, string])[] = [
    ["", "unit name cannot be empty"],
    [`${"a".repeat(249)}.service`, "unit name exceeds maximum length (256)"],
    ["hello", 'unit name must contain "."'],
    ["hello.", 'unit name cannot end in "."'],
    ["@hello.service", 'unit name cannot start in "@"'],
    [".service", 'unit name cannot start with its "." suffix'],
    ["hello.svc", 'invalid unit type: "svc"'],
    ["hello.Service", 'invalid unit type: "Service"'],
    ["a@b.mount", 'invalid unit type: "mount" cannot be used with "@"'],
    ["a/b.service", 'invalid character "/" in unit name'],
    ["a b.service", 'invalid character " " in unit name'],
    ["a*.service", 'invalid character "*" in unit name'],
    ["监.service", 'invalid character "监" in unit name'],
    ["a\n.service", 'invalid character "\\n" in unit name'],
  ];

  it.each(problems)("refuses %j", (text, problem) => {
    expect(parseUnitName(text)).toEqual({ ok: false, problem });
  });

  it("accepts each type, and the longest name", () => {
    const types = [
      ...[
        "automount",
        "busname",
        "device",
        "mount",
        "path",
        "scope",
        "service",
        "slice",
        "snapshot",
        "socket",
      ],
      ...["swap", "target", "timer"],
    ];
    for (const type of types) expect(parseUnitName(`a.${type}`).ok).toBe(true);
    expect(parseUnitName(`${"a".repeat(248)}.service`).ok).toBe(true);
  });

  it("puts together what it takes apart", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.stringMatching(/^[a-z@.\\]{1,9}\.(service|mount)$/),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const result = parseUnitName(candidate);
        if (!result.ok) {
          expect(result.problem).not.toBe("");
          return;
        }
        const { name, prefix, instance, suffix, isTemplate } = result.value;
        const at = isTemplate || instance !== undefined ? `@${instance ?? ""}` : "";
        expect(name).toBe(candidate);
        expect(`${prefix}${at}.${suffix}`).toBe(candidate);
      }),
    );
  });
});
