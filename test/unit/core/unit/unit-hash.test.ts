import { readFileSync } from "node:fs";
import { parseUnitFile, shortHash, type UnitOption, unitHash } from "@fleet/core";
import { expect, it } from "vitest";

const hello = readFileSync(new URL("../../../fixtures/coreos-units/hello.service", import.meta.url), "utf8");

function read(text: string): readonly UnitOption[] {
  const parsed = parseUnitFile(text);
  return parsed.ok ? parsed.value : [];
}

it("gives hello.service the hashes fleet gives it", () => {
  const hash = unitHash(read(hello));
  expect(hash).toBe("4bff33ddbd89a80a6fb48ffaf1c333c1d2a562fc");
  expect(shortHash(hash)).toBe("4bff33d");
  const variant = hello.replace("X-Conflicts=hello.service", "X-Conflicts=hello*.service");
  expect(unitHash(read(variant))).toBe("0988977546b408743f4f865bfbedce7a3b2f891b");
});

it("hashes UTF-8", () => {
  // printf '[A]\nb=é\n' | sha1sum
  expect(unitHash([{ section: "A", name: "b", value: "é" }])).toBe(
    "4751807f1ee48796a207848512abcb1f100604fb",
  );
});
