import type { WatchDelta, WatchSnapshot } from "@fleet/api";
import type { Change, Entry } from "@fleet/registry";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ClusterView } from "../../../packages/api/src/cache/cluster-view.ts";
import { StreamPicture } from "../../../packages/api/src/stream/stream-picture.ts";

const names = ["a.service", "b.service", "g.service"];
const machineIds = ["m1", "m2", "m3"];
const hashes = ["1".repeat(40), "2".repeat(40)];

/** What a receiver holds after folding in every message. */
class Receiver {
  readonly units = new Map<string, unknown>();
  readonly states = new Map<string, unknown>();
  readonly machines = new Map<string, unknown>();

  snapshot(message: WatchSnapshot): void {
    for (const rows of [this.units, this.states, this.machines]) rows.clear();
    this.#put(message.units, message.states, message.machines);
  }

  delta({ units, states, machines }: WatchDelta): void {
    for (const name of units?.removed ?? []) this.units.delete(name);
    for (const { name, machineID } of states?.removed ?? []) this.states.delete(`${name} ${machineID}`);
    for (const id of machines?.removed ?? []) this.machines.delete(id);
    this.#put(units?.put ?? [], states?.put ?? [], machines?.put ?? []);
  }

  get content(): unknown {
    const sorted = (rows: ReadonlyMap<string, unknown>) => [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
    return [sorted(this.units), sorted(this.states), sorted(this.machines)];
  }

  #put(
    units: WatchSnapshot["units"],
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

test("a receiver that folds in all messages holds what a new one is told at once", () => {
  const batch = fc.record({ changes: fc.array(change, { maxLength: 4 }), send: fc.boolean() });
  const filter = fc.option(fc.subarray(names, { minLength: 1 }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 30 }), filter, (batches, followed) => {
      const filterNames = followed === undefined ? undefined : new Set(followed);
      const view = new ClusterView();
      const bodies = hashes.map((body, index) => ({
        kind: "body" as const,
        hash: body,
        entry: {
          status: "present" as const,
          value: [{ section: "X-Fleet", name: "Global", value: `${index === 1}` }],
          createRevision: 1,
          modRevision: 1,
        },
      }));
      view.apply({ revision: 1, changes: bodies });
      const picture = new StreamPicture(filterNames);
      const receiver = new Receiver();
      receiver.snapshot(picture.snapshot(view));
      let revision = 1;
      for (const { changes, send } of batches) {
        revision += 1;
        picture.note(view.apply({ revision, changes }));
        const delta = send ? picture.delta(view) : undefined;
        if (delta !== undefined) receiver.delta(delta);
      }
      const last = picture.delta(view);
      if (last !== undefined) receiver.delta(last);
      const fresh = new Receiver();
      fresh.snapshot(new StreamPicture(filterNames).snapshot(view));
      expect(receiver.content).toEqual(fresh.content);
      expect(picture.delta(view)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});
