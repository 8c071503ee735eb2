import type { WatchDelta, WatchSnapshot } from "@fleet/api";
import type { Change, Entry, EventRecord } from "@fleet/registry";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChangeHistory } from "../../../packages/api/src/cache/change-history.ts";
import { ClusterView } from "../../../packages/api/src/cache/cluster-view.ts";
import type { StreamFilter, StreamKind } from "../../../packages/api/src/stream/stream-filter.ts";
import { StreamPicture } from "../../../packages/api/src/stream/stream-picture.ts";

const names = ["a.service", "b.service", "g.service"];
const machineIds = ["m1", "m2", "m3"];
const hashes = ["1".repeat(40), "2".repeat(40)];

/** What a receiver holds after folding in every message. */
class Receiver {
  readonly units = new Map<string, unknown>();
  readonly states = new Map<string, unknown>();
  readonly machines = new Map<string, unknown>();
  losses: WatchDelta["losses"] = {};

  snapshot(message: Omit<WatchSnapshot, "cluster">): void {
    for (const rows of [this.units, this.states, this.machines]) rows.clear();
    this.losses = message.losses ?? {};
    this.#put([...message.units, ...(message.summaries ?? [])], message.states, message.machines);
  }

  delta({ units, summaries, states, machines, losses = this.losses }: WatchDelta): void {
    this.losses = losses;
    for (const name of [...(units?.removed ?? []), ...(summaries?.removed ?? [])]) this.units.delete(name);
    for (const { name, machineID } of states?.removed ?? []) this.states.delete(`${name} ${machineID}`);
    for (const id of machines?.removed ?? []) this.machines.delete(id);
    this.#put([...(units?.put ?? []), ...(summaries?.put ?? [])], states?.put ?? [], machines?.put ?? []);
  }

  get content(): unknown {
    const sorted = (rows: ReadonlyMap<string, unknown>) => [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
    return [sorted(this.units), sorted(this.states), sorted(this.machines), this.losses];
  }

  #put(
    units: readonly { readonly name: string }[],
    states: WatchSnapshot["states"],
    machines: WatchSnapshot["machines"],
  ): void {
    for (const unit of units) this.units.set(unit.name, unit);
    for (const state of states) this.states.set(`${state.name} ${state.machineID}`, state);
    for (const machine of machines) this.machines.set(machine.id, machine);
  }
}

function entryOf<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Entry<Value>> {
  const at = { createRevision: 1, modRevision: 1 };
  return fc.oneof(
    { weight: 5, arbitrary: value.map((present) => ({ status: "present", value: present, ...at }) as const) },
    { weight: 2, arbitrary: fc.constant({ status: "absent", modRevision: 1 } as const) },
    { weight: 1, arbitrary: fc.constant({ status: "corrupt", problem: "x", modRevision: 1 } as const) },
  );
}

const unit = fc.constantFrom(...names);
const machineId = fc.constantFrom(...machineIds);
const hash = fc.constantFrom(...hashes);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("unit" as const),
    name: unit,
    entry: entryOf(
      fc.record({ hash, target: fc.constantFrom("inactive", "launched"), generation: fc.constant(1) }),
    ),
  }),
  fc.record({
    kind: fc.constant("machine" as const),
    machineId,
    entry: entryOf(
      fc.record({
        id: machineId,
        token: fc.constant("t"),
        publicIp: fc.constantFrom("", "10.0.0.1"),
        metadata: fc.constantFrom<Record<string, string>>({}, { a: "b" }),
        leaving: fc.boolean(),
        formats: fc.constant([1]),
        version: fc.constant("2"),
      }),
    ),
  }),
  fc.record({
    kind: fc.constant("metadata" as const),
    machineId,
    key: fc.constantFrom("a", "c"),
    entry: entryOf(fc.constantFrom({ value: "z" }, { removed: true as const })),
  }),
  fc.record({
    kind: fc.constant("mass-loss" as const),
    entry: entryOf(
      fc.record({
        machines: fc.subarray(machineIds),
        vanished: fc.constant(3),
        of: fc.constantFrom(3, 4),
        atMs: fc.constant(1_000),
      }),
    ),
  }),
  fc.record({
    kind: fc.constant("confirmed-losses" as const),
    entry: entryOf(fc.record({ machines: fc.subarray(machineIds) })),
  }),
  fc.record({
    kind: fc.constant("assignment" as const),
    machineId,
    unit,
    entry: entryOf(
      fc.record({
        hash,
        target: fc.constant("launched" as const),
        generation: fc.constant(1),
        awaits: fc.constant([]),
      }),
    ),
  }),
  fc.record({
    kind: fc.constant("state" as const),
    machineId,
    unit,
    entry: entryOf(
      fc.record({
        hash,
        load: fc.constant("loaded"),
        active: fc.constantFrom("active", "failed"),
        sub: fc.constant("running"),
        launched: fc.boolean(),
      }),
    ),
  }),
);

const kinds = ["units", "states", "machines"] as const;
const filters: fc.Arbitrary<StreamFilter> = fc.record({
  names: fc.option(
    fc.subarray(names, { minLength: 1 }).map((subset) => new Set(subset)),
    { nil: undefined },
  ),
  kinds: fc.subarray([...kinds], { minLength: 1 }).map((subset) => new Set<StreamKind>(subset)),
  summaries: fc.boolean(),
});

function viewWithBodies(): ClusterView {
  const view = new ClusterView();
  const changes = hashes.map((body, index): Change => {
    const value = [
      { section: "X-Fleet", name: "Global", value: `${index === 1}` },
      { section: "Unit", name: "Description", value: `number ${index}` },
    ];
    return {
      kind: "body",
      hash: body,
      entry: { status: "present", value, createRevision: 1, modRevision: 1 },
    };
  });
  view.apply({ revision: 1, changes });
  return view;
}

const batches = fc.array(fc.record({ changes: fc.array(change, { maxLength: 4 }), send: fc.boolean() }), {
  maxLength: 30,
});

test("a receiver that folds in all messages holds what a new one is told at once", () => {
  fc.assert(
    fc.property(batches, filters, (history, filter) => {
      const view = viewWithBodies();
      const picture = new StreamPicture(filter);
      const receiver = new Receiver();
      receiver.snapshot(picture.snapshot(view));
      let revision = 1;
      for (const { changes, send } of history) {
        revision += 1;
        picture.note(view.apply({ revision, changes }));
        const delta = send ? picture.delta(view) : undefined;
        if (delta !== undefined) receiver.delta(delta);
      }
      const last = picture.delta(view);
      if (last !== undefined) receiver.delta(last);
      const fresh = new Receiver();
      fresh.snapshot(new StreamPicture(filter).snapshot(view));
      expect(receiver.content).toEqual(fresh.content);
      expect(picture.delta(view)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

test("a receiver that is cut off anywhere and resumes holds what a new one is told at once", () => {
  fc.assert(
    fc.property(batches, filters, fc.nat(), (history, filter, cut) => {
      const view = viewWithBodies();
      const known = new ChangeHistory();
      known.begin({ revision: 1, changes: [] });
      const receiver = new Receiver();
      const cutAt = cut % (history.length + 1);
      const apply = (from: number, to: number): void => {
        for (const [index, { changes }] of history.slice(from, to).entries()) {
          const batch = { revision: 2 + from + index, changes };
          known.add(view.apply(batch), batch);
        }
      };
      apply(0, cutAt);
      receiver.snapshot(new StreamPicture(filter).snapshot(view));
      const toldAt = view.revision;
      apply(cutAt, history.length);
      const missed = known.after(toldAt);
      if (missed === undefined) throw new Error("the history has forgotten");
      const resumed = new StreamPicture(filter);
      resumed.resume(view, missed);
      const delta = resumed.delta(view);
      if (delta !== undefined) receiver.delta(delta);
      const fresh = new Receiver();
      fresh.snapshot(new StreamPicture(filter).snapshot(view));
      expect(receiver.content).toEqual(fresh.content);
    }),
    { numRuns: 500 },
  );
});

describe("events", () => {
  const everything: StreamFilter = { names: undefined, kinds: new Set(["events"]), summaries: false };
  const record = (id: string, revision: number, ...events: EventRecord[]): Change => ({
    kind: "events",
    id,
    entry: { status: "present", value: { atMs: 0, events }, createRevision: revision, modRevision: revision },
  });
  const gone = (id: string, revision: number): Change => ({
    kind: "events",
    id,
    entry: { status: "absent", modRevision: revision },
  });
  const assigned = (unitName: string): EventRecord => ({
    kind: "assigned",
    unit: unitName,
    machineId: "m1",
    reason: "least_loaded",
  });

  test("are each told once, in their order, whatever else came between two messages", () => {
    const view = viewWithBodies();
    view.apply({ revision: 2, changes: [record("1", 2, assigned("a.service"), { kind: "later" })] });
    const picture = new StreamPicture(everything);
    expect(picture.snapshot(view).events?.map(({ id }) => id)).toEqual(["1.000"]);
    picture.note(view.apply({ revision: 3, changes: [record("2", 3, assigned("b.service"))] }));
    picture.note(
      view.apply({ revision: 4, changes: [record("3", 4, assigned("a.service"), assigned("b.service"))] }),
    );
    expect(picture.delta(view)?.events?.map(({ id, unit: of }) => `${id} ${of}`)).toEqual([
      "2.000 b.service",
      "3.000 a.service",
      "3.001 b.service",
    ]);
    expect(picture.delta(view)).toBeUndefined();
  });

  test("that are gone before they could be told are missed", () => {
    const view = viewWithBodies();
    const picture = new StreamPicture(everything);
    picture.snapshot(view);
    picture.note(view.apply({ revision: 2, changes: [record("1", 2, assigned("a.service"))] }));
    expect(picture.hasLost(view)).toBe(false);
    picture.note(view.apply({ revision: 3, changes: [gone("1", 3), record("2", 3, assigned("b.service"))] }));
    expect(picture.hasLost(view)).toBe(true);
  });

  test("of a stream limited to names are those of these units", () => {
    const view = viewWithBodies();
    const picture = new StreamPicture({ ...everything, names: new Set(["b.service"]) });
    view.apply({ revision: 2, changes: [record("1", 2, assigned("a.service"), assigned("b.service"))] });
    expect(picture.snapshot(view).events?.map(({ id }) => id)).toEqual(["1.001"]);
    picture.note(view.apply({ revision: 3, changes: [record("2", 3, assigned("a.service"))] }));
    expect(picture.delta(view)?.events).toBeUndefined();
    picture.note(view.apply({ revision: 4, changes: [record("3", 4, assigned("b.service"))] }));
    expect(picture.delta(view)?.events?.map(({ text }) => text)).toEqual([
      "b.service was assigned to machine m1, the one with the fewest units of those that may run it",
    ]);
  });
});
