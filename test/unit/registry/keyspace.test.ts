import { type KeySubject, Keyspace } from "@fleet/registry";
import { describe, expect, test } from "vitest";

const keys = new Keyspace("/fleet");

const subjects: readonly (readonly [string, KeySubject])[] = [
  [keys.cluster(), { kind: "cluster" }],
  [keys.leader(), { kind: "leader" }],
  [keys.unit("a@1.service"), { kind: "unit", name: "a@1.service" }],
  [keys.body("abc"), { kind: "body", hash: "abc" }],
  [keys.machine("m1"), { kind: "machine", machineId: "m1" }],
  [keys.metadata("m1", "role"), { kind: "metadata", machineId: "m1", key: "role" }],
  [keys.assignment("m1", "a.service"), { kind: "assignment", machineId: "m1", unit: "a.service" }],
  [keys.settled("m1"), { kind: "settled", machineId: "m1" }],
  [keys.restart("0a1b"), { kind: "restart", id: "0a1b" }],
  [keys.eventsRecord("1-2-3"), { kind: "events", id: "1-2-3" }],
  [keys.state("m1", "a.service"), { kind: "state", machineId: "m1", unit: "a.service" }],
];

describe("keys", () => {
  test.each(subjects)("%s is read as it was built", (key, subject) => {
    expect(keys.parse(key)).toEqual(subject);
  });

  test.each(subjects)("%s lies in the range of everything", (key) => {
    const { from, to } = keys.all();
    expect(from <= key && key < to).toBe(true);
  });

  test.each([
    "/other/units/a.service",
    "/fleet/",
    "/fleet/units/",
    "/fleet/units",
    "/fleet/units/a/b",
    "/fleet/states/m1",
    "/fleet/states/m1/a/b",
    "/fleet/states//a.service",
    "/fleet/cluster/x",
    "/fleet/elsewhere/1",
    "/fleet/events/1/2",
  ])("%s is none of ours", (key) => {
    expect(keys.parse(key)).toBeUndefined();
  });

  test("the range of one machine leaves out those whose ids begin alike", () => {
    const { from, to } = keys.assignmentsOf("m1");
    const inside = (key: string): boolean => from <= key && key < to;
    expect(inside(keys.assignment("m1", "a.service"))).toBe(true);
    expect(inside(keys.settled("m1"))).toBe(true);
    expect(inside(keys.assignment("m10", "a.service"))).toBe(false);
    expect(inside(keys.machine("m1"))).toBe(false);
  });
});
