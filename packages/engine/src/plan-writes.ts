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
  const writes = new Map<string, EngineWrite>();
  const assigned = new Map<string, Assignment>();
  const cancelled: Assignment[] = [];
  for (const step of steps) {
    switch (step.kind) {
      case "assign":
      case "update": {
        const { machineId, unit, ...record } = step.assignment;
        const key = `${machineId}/${unit}`;
        if (step.kind === "assign") assigned.set(key, step.assignment);
        writes.set(key, exclusive(step.assignment) ?? { op: "assign", machineId, unit, record });
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
