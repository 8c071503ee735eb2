import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { LiveRows } from "../../../../packages/fleetctl/src/live/live-rows.ts";
import { key, listing, liveRows, machineOf, stateOf, work } from "./listed-units.ts";

const none = { put: [], removed: [] };

function shown({ rows }: Pick<LiveRows<never>, "rows">): readonly string[] {
  return rows.map(({ cells, mark }) =>
    [mark?.change ?? "", ...cells.map(({ text }) => text)].join(" ").trim(),
  );
}

function changesOf(changes: ReturnType<LiveRows<never>["apply"]>): readonly string[] {
  return changes.map(({ change, row }) => `${change} ${row.cells.map(({ text }) => text).join(" ")}`);
}

beforeEach(() => {
  work.cells = 0;
});

describe("rows kept up to date", () => {
  it("tell what was added, changed and removed, and how it was before it went", () => {
    const rows = liveRows();
    expect(changesOf(rows.replace([stateOf("b", "1"), stateOf("a", "1")], [machineOf("1")], 0))).toEqual([
      "added b 1/10.0.0.1 active",
      "added a 1/10.0.0.1 active",
    ]);
    const changes = rows.apply(
      { put: [stateOf("b", "1", "failed"), stateOf("c", "1")], removed: [key("a"), key("z")] },
      none,
      0,
    );
    expect(changesOf(changes)).toEqual([
      "removed a 1/10.0.0.1 active",
      "changed b 1/10.0.0.1 failed",
      "added c 1/10.0.0.1 active",
    ]);
    expect(shown(rows)).toEqual(["b 1/10.0.0.1 failed", "c 1/10.0.0.1 active"]);
    expect(rows.count).toBe(2);
  });

  it("say nothing of what changes without being shown", () => {
    const rows = liveRows();
    rows.replace([stateOf("a", "1")], [machineOf("1")], 0);
    const state = { ...stateOf("a", "1"), systemdSubState: "y" };
    expect(rows.apply({ put: [state], removed: [] }, none, 0)).toEqual([]);
    const forPrograms = liveRows({ json: true });
    forPrograms.replace([stateOf("a", "1")], [machineOf("1")], 0);
    expect(forPrograms.apply({ put: [state], removed: [] }, none, 0)).toMatchObject([
      { change: "changed", row: { json: JSON.stringify(state) } },
    ]);
    // Its machine's address is none of the row's own.
    expect(forPrograms.apply(none, { put: [], removed: ["1"] }, 0)).toEqual([]);
  });

  it("come and go with the filters", () => {
    const rows = liveRows({ machine: "1,10.0.0.2" });
    const machines = ["1", "2", "3"].map(machineOf);
    rows.replace([stateOf("a", "1"), stateOf("b", "2", "hidden"), stateOf("c", "3")], machines, 0);
    expect(shown(rows)).toEqual(["a 1/10.0.0.1 active"]);
    const put = [stateOf("a", "1", "hidden"), stateOf("b", "2"), stateOf("d", "3"), stateOf("e", "2")];
    expect(changesOf(rows.apply({ put, removed: [] }, none, 0))).toEqual([
      "removed a 1/10.0.0.1 active",
      "added b 2/10.0.0.2 active",
      "added e 2/10.0.0.2 active",
    ]);
  });

  it("refuse a machine that is not there, once", () => {
    expect(() => liveRows({ machine: "2" }).replace([], [machineOf("1")], 0)).toThrow('"2"');
    const rows = liveRows({ machine: "1" });
    rows.replace([], [machineOf("1")], 0);
    expect(rows.replace([], [], 0)).toEqual([]);
  });

  it("show whether their machine is there", () => {
    const rows = liveRows();
    rows.replace([stateOf("a", "1"), stateOf("b", "2")], ["1", "2"].map(machineOf), 0);
    expect(changesOf(rows.apply(none, { put: [], removed: ["1"] }, 0))).toEqual(["changed a 1 active"]);
    expect(changesOf(rows.apply(none, { put: [machineOf("1")], removed: [] }, 0))).toEqual([
      "changed a 1/10.0.0.1 active",
    ]);
  });

  it("stay marked, and those that are gone in place, for a while", () => {
    const rows = liveRows({ markMs: 3_000 });
    rows.replace(
      ["a", "b", "c"].map((name) => stateOf(name, "1")),
      [],
      0,
    );
    expect(shown(rows)).toEqual(["a 1 active", "b 1 active", "c 1 active"]);
    rows.apply({ put: [stateOf("b", "1", "failed")], removed: [key("a")] }, none, 1_000);
    rows.apply({ put: [stateOf("d", "1")], removed: [] }, none, 2_000);
    expect(shown(rows)).toEqual([
      "removed a 1 active",
      "changed b 1 failed",
      "c 1 active",
      "added d 1 active",
    ]);
    expect(rows.rows[1]?.mark?.cells).toEqual([false, false, true]);
    expect(rows.count).toBe(3);
    expect(rows.expire(3_999)).toBe(4_000);
    expect(rows.expire(4_000)).toBe(5_000);
    expect(shown(rows)).toEqual(["b 1 failed", "c 1 active", "added d 1 active"]);
    expect(rows.expire(5_000)).toBeUndefined();
    expect(shown(rows)).toEqual(["b 1 failed", "c 1 active", "d 1 active"]);
  });

  it("are there again when they come back while they are still shown", () => {
    const rows = liveRows({ markMs: 3_000 });
    rows.replace([stateOf("a", "1")], [], 0);
    rows.apply({ put: [], removed: [key("a")] }, none, 0);
    expect(changesOf(rows.apply({ put: [stateOf("a", "1")], removed: [] }, none, 1_000))).toEqual([
      "added a 1 active",
    ]);
    rows.expire(3_000);
    expect(shown(rows)).toEqual(["added a 1 active"]);
  });

  it("are what they would be if they were read anew, in the same order", () => {
    const name = fc.constantFrom("a", "b", "c", "d", "e");
    const machine = fc.constantFrom("1", "2", "3");
    const active = fc.constantFrom("active", "failed", "hidden");
    const step = fc.record({
      put: fc.array(fc.tuple(name, machine, active), { maxLength: 3 }),
      removed: fc.array(fc.tuple(name, machine), { maxLength: 2 }),
      joined: fc.array(machine, { maxLength: 1 }),
      lost: fc.array(machine, { maxLength: 1 }),
      whole: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.boolean(), fc.boolean(), (steps, sorts, marks) => {
        const items = new Map<string, ReturnType<typeof stateOf>>();
        const present = new Set<string>();
        const sort = sorts ? "active" : undefined;
        const rows = liveRows({ markMs: marks ? 2 : 0 }, sort);
        rows.replace([], [], 0);
        for (const [nowMs, { put, removed, joined, lost, whole }] of steps.entries()) {
          const keys = removed.map(([unit, id]) => `${unit}\0${id}`);
          const states = put.map((each) => stateOf(...each));
          for (const key of keys) items.delete(key);
          for (const state of states) items.set(listing.keyOf(state), state);
          for (const id of lost) present.delete(id);
          for (const id of joined) present.add(id);
          const machines = [...present].map(machineOf);
          if (whole) rows.replace([...items.values()], machines, nowMs);
          else
            rows.apply({ put: states, removed: keys }, { put: joined.map(machineOf), removed: lost }, nowMs);
          rows.expire(nowMs);
        }
        rows.expire(100);
        const anew = liveRows({}, sort);
        anew.replace([...items.values()], [...present].map(machineOf), 0);
        expect(shown(rows)).toEqual(shown(anew));
        expect(rows.count).toBe(anew.count);
        for (const [index, row] of rows.rows.entries()) expect(rows.indexOf(row)).toBe(index);
      }),
    );
  });

  it("are worked out once, and then only those that change", () => {
    const rows = liveRows();
    const states = Array.from({ length: 10_000 }, (_, n) => stateOf(`u${n}`, String(n % 10)));
    rows.replace(states, [], 0);
    expect(work.cells).toBe(30_000);
    rows.apply({ put: [stateOf("u77", "7", "failed")], removed: ["u78\x008"] }, none, 0);
    expect(work.cells).toBe(30_003);
  });
});
