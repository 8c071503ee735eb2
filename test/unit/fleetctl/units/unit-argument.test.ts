import { describe, expect, it } from "vitest";
import {
  unitNameOf,
  unitNamesOf,
  unitPathOf,
} from "../../../../packages/fleetctl/src/units/unit-argument.ts";

describe("a unit argument", () => {
  it.each([
    ["hello", "hello.service", "hello.service"],
    ["hello.service", "hello.service", "hello.service"],
    ["./units/hello.service", "hello.service", "./units/hello.service"],
    ["/srv/units/hello", "hello.service", "/srv/units/hello.service"],
    ["backup.timer", "backup.timer", "backup.timer"],
    ["web.socket", "web.socket", "web.socket"],
    ["srv-data.mount", "srv-data.mount", "srv-data.mount"],
    ["srv.automount", "srv.automount", "srv.automount"],
    ["sda.device", "sda.device", "sda.device"],
    ["spool.path", "spool.path", "spool.path"],
    ["apache@8080", "apache@8080.service", "apache@8080.service"],
    ["apache@.service", "apache@.service", "apache@.service"],
    // A dot alone makes no type.
    ["v1.2", "v1.2.service", "v1.2.service"],
  ])("%s names %s", (argument, name, path) => {
    expect(unitNameOf(argument)).toBe(name);
    expect(unitPathOf(argument)).toBe(path);
  });

  it("counts once however it is written", () => {
    expect(unitNamesOf(["b", "./b.service", "a", "b.service"])).toEqual(["b.service", "a.service"]);
  });
});
