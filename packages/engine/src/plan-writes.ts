import type { Assignment, Step } from "@fleet/core";
import type { EngineWrite } from "@fleet/registry";
import { assertNever } from "@fleet/runtime";

export interface PlanWrites {
  readonly writes: readonly EngineWrite[];
  /** Assigned and withdrawn within one plan: the registry never hears of them. */
  readonly cancelled: readonly Assignment[];
}

/** The registry writes that carry out a plan. `exclusive`: the write for an assignment of an exclusive unit. */
export function planWrites(
  steps: readonly Step[],
  exclusive: (assignment: Assignment) => EngineWrite | undefined = () => undefined,
): PlanWrites {
  // Kept apart because a large plan is nothing else: a unit is placed once in a plan, so that no two are about the same.
  if (steps.every((step) => step.kind === "assign")) {
    return {
      writes: steps.map(({ assignment }) => exclusive(assignment) ?? assign(assignment)),
      cancelled: [],
    };
  }
  const writes = new Map<string, EngineWrite>();
  const assigned = new Map<string, Assignment>();
  const cancelled: Assignment[] = [];
  for (const step of steps) {
    switch (step.kind) {
      case "assign":
      case "update": {
        const { assignment } = step;
        const key = `${assignment.machineId}/${assignment.unit}`;
        if (step.kind === "assign") assigned.set(key, assignment);
        writes.set(key, exclusive(assignment) ?? assign(assignment));
        break;
      }
      case "withdraw": {
        const { machineId, unit } = step;
        const key = `${machineId}/${unit}`;
        const fresh = assigned.get(key);
        if (fresh === undefined) writes.set(key, { op: "withdraw", machineId, unit });
        else {
          writes.delete(key);
          cancelled.push(fresh);
        }
        break;
      }
      case "settle": {
        const { machineId, registration, spared } = step;
        // No unit name begins with "@".
        writes.set(`${machineId}/@settled`, { op: "settle", machineId, registration, spared });
        break;
      }
      default:
        assertNever(step);
    }
  }
  return { writes: [...writes.values()], cancelled };
}

function assign(assignment: Assignment): EngineWrite {
  const { machineId, unit } = assignment;
  return { op: "assign", machineId, unit, record: assignment };
}
