import { type UnitOption, unitHash } from "@fleet/core";
import { describe, expect, test } from "vitest";
import {
  assignmentCodec,
  machineCodec,
  metadataCodec,
  stateCodec,
  unitCodec,
} from "../../../packages/registry/src/records.ts";
import { decodeBody, encodeBody } from "../../../packages/registry/src/unit-body.ts";

const hash = "4bff33ddbd89a80a6fb48ffaf1c333c1d2a562fc";

describe("records", () => {
  test("carry their version and read back", () => {
    const record = { hash, target: "launched", generation: 7 } as const;
    const text = unitCodec.encode(record);
    expect(JSON.parse(text)).toEqual({ v: 1, ...record });
    expect(unitCodec.decode(text)).toMatchObject({ ok: true, value: record });
  });

  test("fields nobody here knows survive being read and written", () => {
    const text = JSON.stringify({ v: 1, hash, target: "loaded", generation: 7, awaits: [], later: { a: 1 } });
    const record = assignmentCodec.decode(text);
    expect(record.ok && JSON.parse(assignmentCodec.encode(record.value))).toEqual(JSON.parse(text));
  });

  test("the same text is the same record, another one is not", () => {
    const text = (generation: number): string => unitCodec.encode({ hash, target: "launched", generation });
    const generations = [7, 7, 8, 7].map(text).map((each) => unitCodec.decode(each));
    expect(generations.map((read) => read.ok && read.value.generation)).toEqual([7, 7, 8, 7]);
    expect(stateCodec.decode(text(7)).ok).toBe(false);
  });

  test.each([
    ["nothing", ""],
    ["not JSON", "{"],
    ["not an object", "7"],
    ["no version", JSON.stringify({ hash, target: "loaded", generation: 1 })],
    ["a later version", JSON.stringify({ v: 2, hash, target: "loaded", generation: 1 })],
    ["an unknown target", JSON.stringify({ v: 1, hash, target: "gone", generation: 1 })],
    ["a hash that is none", JSON.stringify({ v: 1, hash: "x", target: "loaded", generation: 1 })],
    ["no generation", JSON.stringify({ v: 1, hash, target: "loaded" })],
    ["generation 0", JSON.stringify({ v: 1, hash, target: "loaded", generation: 0 })],
  ])("%s is a problem, not a unit", (_, text) => {
    expect(unitCodec.decode(text)).toMatchObject({ ok: false, problem: expect.stringMatching(/./) });
  });

  test("assignments and states of before there were restarts are read", () => {
    const assignment = { v: 1, hash, target: "loaded", generation: 7, awaits: [] };
    const state = { v: 1, hash, load: "loaded", active: "active", sub: "running", launched: true };
    for (const [codec, record] of [
      [assignmentCodec, assignment],
      [stateCodec, state],
    ] as const) {
      const read = codec.decode(JSON.stringify(record));
      expect(read.ok && "restart" in read.value).toBe(false);
      expect(read.ok).toBe(true);
    }
  });

  test("metadata is a value or a tombstone", () => {
    expect(metadataCodec.decode('{"v":1,"value":"x"}')).toMatchObject({ ok: true, value: { value: "x" } });
    expect(metadataCodec.decode('{"v":1,"removed":true}')).toMatchObject({
      ok: true,
      value: { removed: true },
    });
    expect(metadataCodec.decode('{"v":1}').ok).toBe(false);
  });

  test("a problem quotes nothing of the value", () => {
    const result = machineCodec.decode(JSON.stringify({ v: 1, id: "m1", token: ["secret"] }));
    expect(result).toMatchObject({ ok: false, problem: expect.not.stringContaining("secret") });
  });
});

describe("unit files", () => {
  const options: readonly UnitOption[] = [
    { section: "Unit", name: "Description", value: "Füße" },
    { section: "Service", name: "ExecStart", value: "/bin/sh -c \\\n  true" },
  ];

  test("read back under their hash", () => {
    expect(decodeBody(encodeBody(options), unitHash(options))).toEqual({ ok: true, value: options });
  });

  test("are a problem under another", () => {
    expect(decodeBody(encodeBody(options), hash).ok).toBe(false);
  });
});
