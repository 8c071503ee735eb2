import type { Machine, Order, Unit } from "./records.ts";

/** Whether a new record of a machine changes nothing about where units may run. */
export function sameForPlanning(left: Machine, right: Machine): boolean {
  return (
    left.registration === right.registration &&
    left.leaving === right.leaving &&
    left.metadata.size === right.metadata.size &&
    [...left.metadata].every(([key, value]) => right.metadata.get(key) === value)
  );
}

/** Whether a new record of a unit asks for nothing else than the former did. */
export function sameIntent(left: Unit, right: Unit): boolean {
  return (
    left.hash === right.hash &&
    left.target === right.target &&
    left.generation === right.generation &&
    left.changedAt === right.changedAt &&
    (left.requirements === undefined) === (right.requirements === undefined)
  );
}

/** Whether a new assignment of the same unit to the same machine orders nothing else than the former did. */
export function sameOrder(left: Order, right: Order): boolean {
  return (
    left.hash === right.hash &&
    left.target === right.target &&
    left.generation === right.generation &&
    left.retryOf === right.retryOf &&
    left.restart === right.restart &&
    left.rescheduled === right.rescheduled &&
    left.awaits.length === right.awaits.length &&
    left.awaits.every((unit, index) => right.awaits[index] === unit)
  );
}
