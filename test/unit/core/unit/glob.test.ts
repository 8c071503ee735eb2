import { escapeGlob, isWellFormedGlob, literalOf, matchGlob } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

describe("matchGlob", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["", "", true],
    ["", "a", false],
    ["a", "a", true],
    ["a", "ab", false],
    ["*", "", true],
    ["*", "any.thing@1", true],
    ["**a**", "bab", true],
    ["apache@*.service", "apache@8080.service", true],
    ["apache@*.service", "apache.service", false],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["*aab", "aaab", true],
    ["w?.service", "w1.service", true],
    ["w?.service", "w10.service", false],
    ["w\\?.service", "w?.service", true],
    ["w\\?.service", "w1.service", false],
    ["w[12]", "w2", true],
    ["w[12]", "w3", false],
    ["w[^1]", "w2", true],
    ["w[^1]", "w1", false],
    ["w[^1]", "w", false],
    ["w[!1]", "w!", true],
    ["log-[a-c0]", "log-b", true],
    ["log-[a-c0]", "log-d", false],
    ["[\\]\\-]", "-", true],
    ["[^^]", "^", false],
    ["[b-a]", "a", false],
    // Malformed: no match, as in Go.
    ["[", "[", false],
    ["[]", "]", false],
    ["[]a]", "]", false],
    ["[-a]", "-", false],
    ["[a-]", "-", false],
    ["a[b", "ab", false],
    ["*[", "x[", false],
    ["a\\", "a\\", false],
  ];

  it.each(table)("%j on %j: %j", (glob, name, expected) => {
    expect(matchGlob(glob, name)).toBe(expected);
  });

  it("agrees with a regular expression", () => {
    const glob = fc.array(fc.constantFrom("*", "?", "a", "b", "[ab]", "[^a]", "\\a"), { maxLength: 8 });
    const name = fc
      .array(fc.constantFrom("a", "b", "c"), { maxLength: 10 })
      .map((letters) => letters.join(""));
    fc.assert(
      fc.property(glob, name, (parts, text) => {
        const pattern = parts.map((part) => (part === "*" ? ".*" : part === "?" ? "." : part)).join("");
        expect(matchGlob(parts.join(""), text)).toBe(new RegExp(`^${pattern}$`).test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("takes no exponential time", () => {
    expect(matchGlob(`${"*a".repeat(128)}b`, "a".repeat(256))).toBe(false);
    expect(matchGlob(`${"*?".repeat(5000)}b`, "a".repeat(256))).toBe(false);
    expect(matchGlob(`*[${"b-c".repeat(1000)}]*`, "a".repeat(256))).toBe(false);
    expect(matchGlob("*".repeat(1024 * 1024), "a")).toBe(true);
  }, 2000);
});

describe("what a glob is", () => {
  it("is literal when it can match one name only", () => {
    expect(literalOf("a.service")).toBe("a.service");
    expect(literalOf("a\\*.service")).toBe("a*.service");
    for (const pattern of ["a*", "?", "[a]", "a\\"]) expect(literalOf(pattern)).toBeUndefined();
  });

  it("is well formed or matches nothing", () => {
    for (const glob of ["", "a*", "[^a-c]?", "\\["]) expect(isWellFormedGlob(glob)).toBe(true);
    for (const glob of ["[", "[]", "a\\", "[a-"]) expect(isWellFormedGlob(glob)).toBe(false);
  });

  it("holds for any text", () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(..."[]^-\\*?ab")).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, text, (glob, name) => {
        const literal = literalOf(glob);
        if (literal !== undefined) expect(matchGlob(glob, name)).toBe(name === literal);
        if (!isWellFormedGlob(glob)) expect(matchGlob(glob, name)).toBe(false);
        expect(matchGlob(escapeGlob(name), name)).toBe(true);
        expect(literalOf(escapeGlob(name))).toBe(name);
      }),
    );
  });
});
