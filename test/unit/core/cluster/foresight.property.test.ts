import {
  type ClusterModel,
  type DryRun,
  dryRun,
  eligibility,
  explain,
  explainUnit,
  type Hypothesis,
  type Occupant,
  plan,
  type Requirements,
  type Unit,
  type UnitExplanation,
} from "@fleet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anything, event, History, machineId, requirements, rounds, unitName } from "./random-history.ts";
import type { SimulatedRegistry } from "./simulated-registry.ts";

const numRuns = Number(process.env.FLEET_PROPERTY_RUNS ?? 300);

interface Supposed {
  readonly units: readonly {
    readonly name: string;
    readonly target: "inactive" | "loaded" | "launched";
    readonly requirements: Requirements;
  }[];
  readonly destroyed: readonly string[];
  readonly drained: readonly string[];
  readonly lost: readonly string[];
}

const some = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant<Value[]>([]) },
    { weight: 1, arbitrary: fc.uniqueArray(value, { minLength: 1, maxLength: 2 }) },
  );

const supposed: fc.Arbitrary<Supposed> = fc.record({
  units: fc.uniqueArray(
    fc.record({
      name: unitName,
      target: fc.constantFrom(
        "inactive" as const,
        "loaded" as const,
        "launched" as const,
        "launched" as const,
      ),
      requirements,
    }),
    { maxLength: 3, selector: ({ name }) => name },
  ),
  destroyed: some(unitName),
  drained: some(machineId),
  lost: some(machineId),
});

describe("a dry run", () => {
  test("tells where everything goes, as the cluster then does", () => {
    let moves = 0;
    let waits = 0;
    fc.assert(
      fc.property(rounds(event), supposed, (history, what) => {
        const real = lived(history);
        comeToRest(real.registry);
        const waited = new Set(real.registry.model.unplaced);
        const before = placesOf(real.registry);
        const hypothesis = hypothesisOf(real, what);

        const model = real.registry.rebuilt();
        const predicted = finished(dryRun(model, hypothesis));
        makeReal(real.registry, hypothesis);
        comeToRest(real.registry);

        expect(replayed(before, predicted)).toEqual(placesOf(real.registry));
        const named = new Set(hypothesis.units.map(({ name }) => name));
        const { unplaced, globals } = real.registry.model;
        const nowhere = [...named].filter(
          (name) => globals.has(name) && real.registry.model.machinesOf(name).size === 0,
        );
        const news = [...unplaced].filter((name) => named.has(name) || !waited.has(name));
        expect(predicted.waiting).toEqual([...nowhere, ...news].sort());
        for (const step of predicted.steps) {
          if (step.kind === "stop" && !globals.has(step.unit))
            expect(step.waits).toBe(unplaced.has(step.unit));
          if (step.kind === "place" && step.from !== undefined) moves += 1;
        }
        waits += predicted.waiting.length;
      }),
      { numRuns: numRuns * 2 },
    );
    // A test that has seen neither has shown nothing.
    expect(moves).toBeGreaterThan(0);
    expect(waits).toBeGreaterThan(0);
  });

  test("begins with what is under way already, which is none of its steps", () => {
    fc.assert(
      fc.property(rounds(event), (history) => {
        const real = lived(history);
        const nothing = { units: [], destroyed: [], drained: [], lost: [] };
        const predicted = finished(dryRun(real.registry.rebuilt(), nothing));
        expect(predicted).toEqual({ steps: [], waiting: [] });
      }),
      { numRuns },
    );
  });
});

describe("an explanation", () => {
  test("agrees, machine by machine, with what may run where, whatever has happened", () => {
    fc.assert(
      fc.property(rounds(anything), (history) => {
        const { registry } = lived(history);
        for (const name of registry.units.keys()) expectTruth(registry, name);
      }),
      { numRuns },
    );
  });

  test("at rest: what is placed fits, what waits is kept off every machine", () => {
    fc.assert(
      fc.property(rounds(event), (history) => {
        const { registry } = lived(history);
        comeToRest(registry);
        for (const name of registry.units.keys()) {
          const explanation = explained(registry, name);
          if (registry.units.get(name)?.requirements === undefined) continue;
          const placed = [...registry.assignments.values()].filter(({ unit }) => unit === name);
          const target = registry.units.get(name)?.target;
          const verdict = target === "inactive" ? "inactive" : placed.length > 0 ? "placed" : "waiting";
          expect(explanation?.verdict).toBe(verdict);
          // Beside one that cannot be read everything stays as it is.
          const readable = [...registry.units.values()].every((unit) => unit?.requirements !== undefined);
          const fits = explanation?.placements.every((placement) => placement.verdict.kind === "able");
          if (readable && verdict === "placed") expect(fits, `${name} does not fit`).toBe(true);
          if (verdict !== "waiting") continue;
          expect(explanation?.able).toBeUndefined();
          expect(explanation?.causes).not.toEqual([]);
        }
      }),
      { numRuns },
    );
  });

  test("what keeps a unit off the nearest machine is all that does: with that metadata it may run there", () => {
    let helped = 0;
    fc.assert(
      fc.property(rounds(event), (history) => {
        const { registry } = lived(history);
        comeToRest(registry);
        for (const name of registry.model.unplaced) {
          const nearest = explained(registry, name)?.nearest;
          const machine = nearest && registry.model.machine(nearest.machineId);
          if (nearest === undefined || machine === undefined) continue;
          const metadata = new Map(machine.metadata);
          for (const obstacle of nearest.obstacles) {
            if (obstacle.cause === "MachineMetadata") metadata.set(obstacle.key, obstacle.accepted[0] ?? "");
          }
          if (nearest.obstacles.some(({ cause }) => cause !== "MachineMetadata")) continue;
          helped += 1;
          const unit = registry.model.readableUnit(name);
          const changed = { id: machine.id, metadata };
          const verdict = unit && eligibility(unit, changed, occupantsOf(registry.model, machine.id));
          expect(verdict?.verdict).not.toBe("unable");
        }
      }),
      { numRuns },
    );
    expect(helped).toBeGreaterThan(0);
  });
});

function lived(history: readonly (readonly [readonly Event[], readonly Event[]])[]): History {
  const real = new History();
  for (const [before, meanwhile] of history) {
    for (const each of before) real.apply(each);
    const steps = real.plan();
    for (const each of meanwhile) real.apply(each);
    real.registry.carryOut(steps);
  }
  return real;
}

type Event = Parameters<History["apply"]>[0];

/** The engine and the agents, until nothing is left to do. */
function comeToRest(registry: SimulatedRegistry): void {
  const { model } = registry;
  for (let round = 0; round < 100; round += 1) {
    for (let plans = 0; model.isDirty && plans < 100; plans += 1) {
      registry.carryOut(plan(model, model.takeDirty()).steps);
    }
    registry.letAgentsFollow();
    if (!model.isDirty) return;
  }
  throw new Error("does not come to rest");
}

function hypothesisOf({ registry, revision }: History, what: Supposed): Hypothesis {
  const destroyed = what.destroyed.filter(
    (name) => registry.units.has(name) && !what.units.some((unit) => unit.name === name),
  );
  const units = what.units.map((unit, index): Unit => {
    const changedAt = revision + 1 + index;
    return { ...unit, hash: `hash${changedAt}`, generation: changedAt, changedAt };
  });
  const lost = what.lost.filter((id) => registry.machines.has(id));
  const drained = what.drained.filter((id) => registry.machines.has(id) && !lost.includes(id));
  return { units, destroyed, drained, lost };
}

function makeReal(registry: SimulatedRegistry, { units, destroyed, drained, lost }: Hypothesis): void {
  for (const name of destroyed) registry.removeUnit(name);
  for (const unit of units) registry.setUnit(unit);
  for (const id of drained) {
    const machine = registry.machines.get(id);
    if (machine !== undefined) registry.setMachine({ ...machine, leaving: true });
  }
  for (const id of lost) registry.removeMachine(id);
}

function placesOf(registry: SimulatedRegistry): readonly string[] {
  return [...registry.assignments.values()]
    .map(({ machineId: id, unit, assignment }) => `${unit} ${id} ${assignment?.hash} ${assignment?.target}`)
    .sort();
}

/** Where everything is after the steps. */
function replayed(before: readonly string[], { steps }: DryRun): readonly string[] {
  const places = new Map(before.map((place) => [place.split(" ").slice(0, 2).join(" "), place]));
  for (const step of steps) {
    if (step.kind === "stop") places.delete(`${step.unit} ${step.machineId}`);
    else {
      const { unit, machineId: id, hash, target } = step.assignment;
      if (step.kind === "place" && step.from !== undefined) places.delete(`${unit} ${step.from.machineId}`);
      places.set(`${unit} ${id}`, `${unit} ${id} ${hash} ${target}`);
    }
  }
  return [...places.values()].sort();
}

function occupantsOf(model: ClusterModel, id: string): readonly Occupant[] {
  return [...model.occupants(id)].map((name) => ({
    name,
    requirements: model.readableUnit(name)?.requirements,
    held: !model.isAssigned(id, name),
  }));
}

function explained(registry: SimulatedRegistry, name: string): UnitExplanation | undefined {
  return finished(explainUnit(registry.model, name));
}

function finished<Result>(work: Generator<void, Result, void>): Result {
  for (;;) {
    const next = work.next();
    if (next.done === true) return next.value;
  }
}

/** Counts machines by asking the definition of what may run where, and compares. */
function expectTruth(registry: SimulatedRegistry, name: string): void {
  const { model } = registry;
  const explanation = explained(registry, name);
  const unit = model.readableUnit(name);
  expect(explanation?.placements.map(({ machineId: id }) => id)).toEqual([...model.machinesOf(name)].sort());
  if (unit === undefined || explanation === undefined || unit.target === "inactive") return;
  if (model.unplaced.has(name)) {
    const causes = explain(model, name);
    expect(explanation.able === undefined && explanation.causes.length > 0).toBe(causes.length > 0);
    const kinds = new Set(causes.map(({ kind }) => kind));
    if (causes.length > 0) expect(new Set(explanation.causes.map(({ why }) => why.kind))).toEqual(kinds);
    if (kinds.has("held")) return;
  }
  const counts = new Map<string, number>();
  for (const id of model.machineIds()) {
    if (model.isAssigned(id, name)) continue;
    const machine = model.machine(id);
    const verdict = machine && eligibility(unit, machine, occupantsOf(model, id));
    const word =
      machine === undefined || machine.leaving
        ? "closed"
        : verdict?.verdict === "unable"
          ? verdict.reason.cause
          : "able";
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const told = new Map<string, number>();
  const tell = (word: string, machines: number) => told.set(word, (told.get(word) ?? 0) + machines);
  for (const { why, machines, obstacles } of explanation.causes) {
    if (why.kind === "closed") tell("closed", machines);
    // Beyond the definition: what would have to be pushed off, and what is still being stopped there.
    else if (why.kind === "held") tell("able", machines);
    else if (why.kind === "unable") {
      tell(why.obstacle.cause === "ReplacesBlocked" ? "able" : why.obstacle.cause, machines);
      expect(obstacles?.[0]).toEqual(why.obstacle);
    }
  }
  if (explanation.able !== undefined) tell("able", explanation.able.machines);
  const bound = model.unplaced.has(name) && model.holders(name).length > 0;
  if (!bound) expect(told).toEqual(counts);
}
