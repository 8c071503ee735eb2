import { describe, expect, it } from "vitest";
import { unitMatcher } from "../../../../packages/fleetctl/src/units/patterns.ts";

const names = [
  "apache@.service",
  "apache@1.service",
  "apache@10.service",
  "backup.timer",
  "db-1.service",
  "db-2.socket",
  "srv-my\\x2ddata.mount",
];

describe("a pattern for units", () => {
  it.each([
    ["apache@*", ["apache@.service", "apache@1.service", "apache@10.service"]],
    ["apache@?", ["apache@1.service"]],
    ["apache@?.service", ["apache@1.service"]],
    ["apache@??", ["apache@10.service"]],
    ["db-[12]", ["db-1.service"]],
    ["db-[12].*", ["db-1.service", "db-2.socket"]],
    ["db-[!2]*", ["db-1.service"]],
    ["db-[^2]*", ["db-1.service"]],
    ["*.timer", ["backup.timer"]],
    // It says what type it means: nothing is added to it.
    ["d*.service", ["db-1.service"]],
    ["srv-my\\x2d*", ["srv-my\\x2ddata.mount"]],
    ["Apache*", []],
    ["*", names],
  ])("%s takes %j", (pattern, expected) => {
    expect(names.filter(unitMatcher([pattern]))).toEqual(expected);
  });

  it("stands beside names, with or without .service", () => {
    expect(names.filter(unitMatcher(["db-1", "backup.timer", "apache@?"]))).toEqual([
      "apache@1.service",
      "backup.timer",
      "db-1.service",
    ]);
  });

  it.each([
    ["apache@[1", "apache@[1: malformed pattern"],
    ["./units/*", "./units/*: no such file; a pattern for the units of the cluster has no slash in it"],
  ])("%s is refused", (pattern, message) => {
    expect(() => unitMatcher([pattern])).toThrow(message);
  });
});
