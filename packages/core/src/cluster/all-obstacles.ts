import type { ClusterModel } from "./cluster-model.ts";
import { eligibility, type Ineligibility, type Occupant } from "./eligibility.ts";
import { blockedPush, type Obstacle, occupant } from "./obstacle.ts";
import { sorted } from "./order.ts";
import type { Machine } from "./records.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/**
 * All that keeps the unit off the machine, where `obstacle` gives the first; up to `limit`. Found by asking again as if the
 * one before were out of the way. That a unit cannot be pushed off is looked for only once nothing else is left.
 */
export function allObstacles(
  model: ClusterModel,
  unit: ReadableUnit,
  machine: Machine,
  limit: number,
): readonly Obstacle[] {
  const found: Obstacle[] = [];
  let candidate = unit;
  let others = occupantsOf(model, machine.id);
  while (found.length < limit) {
    const verdict = eligibility(candidate, machine, others);
    if (verdict.verdict !== "unable") break;
    const { reason } = verdict;
    found.push(reason);
    if (reason.cause === "Conflicts" || reason.cause === "Replaces") {
      others = others.filter(({ name }) => name !== reason.unit);
    } else candidate = without(candidate, reason);
  }
  const blocked = found.length === 0 ? blockedPush(model, unit, machine) : undefined;
  return blocked === undefined ? found : [blocked];
}

function occupantsOf(model: ClusterModel, machineId: string): readonly Occupant[] {
  return sorted(model.occupants(machineId)).map((name) => ({
    ...occupant(model, name),
    held: !model.isAssigned(machineId, name),
  }));
}

/** The unit as if it did not ask for what the machine lacks. */
function without(unit: ReadableUnit, reason: Ineligibility): ReadableUnit {
  const { requirements } = unit;
  switch (reason.cause) {
    case "MachineID":
      return { ...unit, requirements: { ...requirements, machineId: undefined } };
    case "MachineMetadata": {
      const metadata = new Map([...requirements.metadata].filter(([key]) => key !== reason.key));
      return { ...unit, requirements: { ...requirements, metadata } };
    }
    case "MachineOf": {
      const machineOf = requirements.machineOf.filter((peer) => peer !== reason.peer);
      return { ...unit, requirements: { ...requirements, machineOf } };
    }
    default:
      return unit;
  }
}
