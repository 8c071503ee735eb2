import { plan, type Requirements, type Step } from "@fleet/core";
import fc from "fast-check";
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

export const machineId = fc.constantFrom(...machineIds);
export const unitName = fc.constantFrom(...unitNames);
const few = <Value>(value: fc.Arbitrary<Value>, odds: number) =>
  fc.oneof(
    { weight: odds, arbitrary: fc.constant<Value[]>([]) },
    { weight: 1, arbitrary: fc.uniqueArray(value, { minLength: 1, maxLength: 2 }) },
  );

export const requirements: fc.Arbitrary<Requirements> = fc.record({
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

/** What happens to a cluster. */
export type Event =
  | { kind: "machine"; id: string; k: string; leaving: boolean; unsteady: boolean; again: boolean }
  | { kind: "lost" | "machine_corrupt"; id: string }
  | { kind: "content"; name: string; requirements: Requirements; readable: boolean }
  | { kind: "target"; name: string; target: "inactive" | "loaded" | "launched" }
  | { kind: "destroy" | "unit_corrupt"; name: string }
  | { kind: "row" | "row_gone" | "assignment_corrupt" | "assignment_gone"; id: string; name: string }
  | { kind: "agents" };

export const event: fc.Arbitrary<Event> = fc.oneof(
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

/** A registry to which things happen, one revision after the other. */
export class History {
  readonly registry = new SimulatedRegistry();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

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
export const rounds = (one: fc.Arbitrary<Event>) =>
  fc.array(fc.tuple(fc.array(one, { maxLength: 8 }), fc.array(one, { maxLength: 2 })), {
    minLength: 1,
    maxLength: 12,
  });

export const anything = fc.oneof({ weight: 12, arbitrary: event }, { weight: 1, arbitrary: mishap });

export function started(): {
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
