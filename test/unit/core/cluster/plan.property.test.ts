import { eligibility, explain, plan, type Step } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { naivePlan } from "./naive-scheduler.ts";
import { anything, event, rounds, started } from "./random-history.ts";
import type { SimulatedRegistry } from "./simulated-registry.ts";

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
