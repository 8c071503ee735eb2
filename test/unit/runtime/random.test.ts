import { randomHex, systemRandom } from "@fleet/runtime";
import { describe, expect, test } from "vitest";

describe("randomHex", () => {
  test("takes one digit from each number", () => {
    const numbers = [0, 0.5, 0.9999];
    expect(randomHex(() => numbers.shift() ?? 0, 3)).toBe("08f");
  });

  test.each([0, 1, 32])("has %i digits", (digits) => {
    expect(randomHex(systemRandom, digits)).toMatch(new RegExp(`^[0-9a-f]{${digits}}$`));
  });
});
