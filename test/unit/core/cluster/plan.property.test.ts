import { eligibility, explain, plan, type Requirements, type Step } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { naivePlan } from "./naive-scheduler.ts";
import { SimulatedRegistry } from "./simulated-registry.ts";

const machineIds = ["aaaaaaaa01", "aaaaaaaa02", "bbbbbbbb01", "cccccccc01", "dddddddd01"];
const unitNames = [
  "a.service",
  "b.service",
  "c.service",
  "d.service",
  "w@1.service",
  "w@2.service",
  "w@3.service",
];
const globs = [...unitNames, "w@*.service", "[ab].service", "*"];

const machineId = fc.constantFrom(...machineIds);
const unitName = fc.constantFrom(...unitNames);
const few = <Value>(value: fc.Arbitrary<Value>, odds: number) =>
  fc.oneof(
    { weight: odds, arbitrary: fc.constant<Value[]>([]) },
    { weight: 1, arbitrary: fc.uniqueArray(value, { minLength: 1, maxLength: 2 }) },
  );

const requirements: fc.Arbitrary<Requirements> = fc.record({
  machineId: fc.oneof(
    { weight: 8, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom("aaaaaaaa", "bbbbbbbb01") },
  ),
  machineOf: few(unitName, 3),
  metadata: fc.oneof(
    { weight: 4, arbitrary: fc.constant(new Map<string, string[]>()) },
    { weight: 1, arbitrary: fc.constantFrom(new Map([["k", ["1"]]]), new Map([["k", ["1", "2"]]])) },
  ),
  conflicts: few(fc.constantFrom(...globs), 3),
  replaces: few(fc.constantFrom(...globs), 4),
  global: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

type Event =
  | { kind: "machine"; id: string; k: string; leaving: boolean; unsteady: boolean; again: boolean }
  | { kind: "lost" | "machine_corrupt"; id: string }
  | { kind: "content"; name: string; requirements: Requirements; readable: boolean }
  | { kind: "target"; name: string; target: "inactive" | "loaded" | "launched" }
  | { kind: "destroy" | "unit_corrupt"; name: string }
  | { kind: "row" | "row_gone" | "assignment_corrupt" | "assignment_gone"; id: string; name: string }
  | { kind: "agents" };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("machine" as const),
      id: machineId,
      k: fc.constantFrom("1", "2", "3"),
      leaving: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
      unsteady: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      again: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("lost" as const), id: machineId }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("content" as const),
      name: unitName,
      requirements,
      readable: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("target" as const),
      name: unitName,
      target: fc.constantFrom("inactive" as const, "loaded" as const, "launched" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("destroy" as const), name: unitName }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("row" as const, "row_gone" as const, "row_gone" as const),
      id: machineId,
      name: unitName,
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "agents" as const }) },
);

/** What no healthy cluster sees: garbage in records, assignments that vanish. */
const mishap: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant("machine_corrupt" as const), id: machineId }),
  fc.record({ kind: fc.constant("unit_corrupt" as const), name: unitName }),
  fc.record({
    kind: fc.constantFrom("assignment_corrupt" as const, "assignment_gone" as const),
    id: machineId,
    name: unitName,
  }),
);

class History {
  readonly registry = new SimulatedRegistry();
  #revision = 0;

  apply(event: Event): void {
    const { registry } = this;
    this.#revision += 1;
    switch (event.kind) {
      case "machine": {
        const known = registry.machines.get(event.id);
        registry.setMachine({
          id: event.id,
          publicIp: "",
          metadata: new Map([["k", event.k]]),
          registration: known === undefined || event.again ? this.#revision : known.registration,
          leaving: event.leaving,
          unsteady: event.unsteady,
        });
        return;
      }
      case "lost":
        registry.removeMachine(event.id);
        return;
      case "machine_corrupt":
        registry.corruptMachine(event.id);
        return;
      case "content": {
        const target = registry.units.get(event.name)?.target ?? "launched";
        const revision = this.#revision;
        registry.setUnit({
          name: event.name,
          hash: `hash${revision}`,
          target,
          generation: revision,
          // Several changes may share a revision.
          changedAt: Math.ceil(revision / 3),
          requirements: event.readable ? event.requirements : undefined,
        });
        return;
      }
      case "target": {
        const unit = registry.units.get(event.name);
        if (unit === undefined || unit.target === event.target) return;
        const revision = this.#revision;
        registry.setUnit({ ...unit, target: event.target, generation: revision, changedAt: revision });
        return;
      }
      case "destroy":
        registry.removeUnit(event.name);
        return;
      case "unit_corrupt":
        registry.corruptUnit(event.name);
        return;
      case "row":
        if (registry.machines.has(event.id)) registry.setRow(event.id, event.name);
        return;
      case "row_gone":
        registry.removeRow(event.id, event.name);
        return;
      case "assignment_corrupt":
        registry.corruptAssignment(event.id, event.name);
        return;
      case "assignment_gone":
        registry.removeAssignment(event.id, event.name);
        return;
      case "agents":
        registry.letAgentsFollow();
        return;
    }
  }

  plan(): readonly Step[] {
    return plan(this.registry.model, this.registry.model.takeDirty()).steps;
  }
}

/** Rounds of events, each followed by a plan; the second part of a round happens before its plan is committed. */
const rounds = (one: fc.Arbitrary<Event>) =>
  fc.array(fc.tuple(fc.array(one, { maxLength: 8 }), fc.array(one, { maxLength: 2 })), {
    minLength: 1,
    maxLength: 12,
  });

const anything = fc.oneof({ weight: 12, arbitrary: event }, { weight: 1, arbitrary: mishap });
const numRuns = Number(process.env.FLEET_PROPERTY_RUNS ?? 300);

describe("plan", () => {
  test("agrees with the naive scheduler after every round of events", () => {
    fc.assert(
      fc.property(rounds(anything), (history) => {
        const { registry, ...rest } = started();
        for (const [before, meanwhile] of history) {
          for (const each of before) rest.apply(each);
          const steps = rest.plan();
          expect(steps).toEqual(naivePlan(registry.world()));
          for (const each of meanwhile) rest.apply(each);
          registry.carryOut(steps);
        }
      }),
      { numRuns },
    );
  });

  test("does not depend on the order in which the model was filled", () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 40 }), (events) => {
        const { registry, apply } = started();
        for (const each of events) apply(each);
        registry.model.markAllDirty();
        const one = plan(registry.model, registry.model.takeDirty());
        const rebuilt = registry.rebuilt();
        rebuilt.markAllDirty();
        const other = plan(rebuilt, rebuilt.takeDirty());
        expect(JSON.stringify(other)).toBe(JSON.stringify(one));
      }),
      { numRuns: numRuns / 3 },
    );
  });

  test("leaves the model as it was", () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 40 }), (events) => {
        const { registry, apply } = started();
        for (const each of events) apply(each);
        registry.model.markAllDirty();
        const first = plan(registry.model, registry.model.takeDirty());
        expect(registry.model.isDirty).toBe(false);
        registry.model.markAllDirty();
        expect(plan(registry.model, registry.model.takeDirty())).toEqual(first);
      }),
      { numRuns: numRuns / 3 },
    );
  });

  test("converges while agents follow, then has nothing more to do, and everything is where it may be", () => {
    fc.assert(
      fc.property(rounds(event), (history) => {
        const { registry, apply, plan: next } = started();
        for (const [before, meanwhile] of history) {
          for (const each of before) apply(each);
          const steps = next();
          for (const each of meanwhile) apply(each);
          registry.carryOut(steps);
        }
        let quiet = 0;
        for (let round = 0; quiet < 2; round += 1) {
          expect(round, "still moving units").toBeLessThan(40);
          const steps = next();
          registry.carryOut(steps);
          registry.letAgentsFollow();
          quiet = steps.length === 0 ? quiet + 1 : 0;
        }
        registry.model.markAllDirty();
        expect(plan(registry.model, registry.model.takeDirty()).steps).toEqual([]);
        expectEverythingInOrder(registry);
      }),
      { numRuns },
    );
  });

  test("a bounded number of changes per round leads to a settled cluster too", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const { registry, apply } = started();
        for (const each of events) apply(each);
        for (let round = 0; registry.model.isDirty; round += 1) {
          expect(round, "still moving units").toBeLessThan(400);
          registry.carryOut(plan(registry.model, registry.model.takeDirty(2)).steps);
          if (round % 3 === 0) registry.letAgentsFollow();
        }
        registry.letAgentsFollow();
        for (let round = 0; registry.model.isDirty; round += 1) {
          expect(round, "still moving units").toBeLessThan(400);
          registry.carryOut(plan(registry.model, registry.model.takeDirty(2)).steps);
          registry.letAgentsFollow();
        }
        expect(naivePlan(registry.world())).toEqual([]);
        expectEverythingInOrder(registry);
      }),
      { numRuns: numRuns / 3 },
    );
  });

  test("placements that stay in the model, carried out later and little by little, lead to a settled cluster too", () => {
    fc.assert(
      fc.property(rounds(event), (history) => {
        const { registry, apply } = started();
        let underWay: (readonly Step[])[] = [];
        const carryOutAll = (): void => {
          for (const steps of underWay) registry.carryOut(steps);
          underWay = [];
        };
        const round = (): void => {
          const options = { looks: 15, keepPlacements: true };
          const decided = plan(registry.model, registry.model.takeDirty(4), options);
          registry.model.putBack(decided.left);
          // As the engine does: what is more than placements waits for these.
          if (!decided.kept) carryOutAll();
          underWay.push(decided.steps);
          if (!decided.kept || underWay.length > 2) carryOutAll();
        };
        for (const [before, meanwhile] of history) {
          for (const each of before) apply(each);
          round();
          for (const each of meanwhile) apply(each);
          round();
        }
        for (let quiet = 0, count = 0; quiet < 2; count += 1) {
          expect(count, "still moving units").toBeLessThan(400);
          if (registry.model.isDirty) {
            round();
            continue;
          }
          carryOutAll();
          registry.letAgentsFollow();
          quiet = registry.model.isDirty ? 0 : quiet + 1;
        }
        expect(naivePlan(registry.world())).toEqual([]);
        expectEverythingInOrder(registry);
      }),
      { numRuns },
    );
  });
});

function started(): {
  registry: SimulatedRegistry;
  apply: (event: Event) => void;
  plan: () => readonly Step[];
} {
  const history = new History();
  return {
    registry: history.registry,
    apply: (each) => history.apply(each),
    plan: () => history.plan(),
  };
}

/** Every placement is eligible, and every unit that is not placed has a cause. */
function expectEverythingInOrder(registry: SimulatedRegistry): void {
  for (const { machineId, unit: name } of registry.assignments.values()) {
    const unit = registry.model.readableUnit(name);
    const machine = registry.model.machine(machineId);
    if (unit === undefined || machine === undefined) continue;
    const others = [...registry.model.assignedOn(machineId).keys()].map((other) => ({
      name: other,
      requirements: registry.model.readableUnit(other)?.requirements,
    }));
    // A unit that cannot be read stays, whoever else is there.
    if (others.some(({ requirements }) => requirements === undefined)) continue;
    expect(eligibility(unit, machine, others), `${name} on ${machineId}`).toEqual({ verdict: "able" });
    expect(machine.leaving).toBe(false);
  }
  for (const name of registry.model.unplaced) {
    expect(explain(registry.model, name), `${name} waits without a cause`).not.toEqual([]);
  }
}
