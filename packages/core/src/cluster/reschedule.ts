import type { ClusterModel } from "./cluster-model.ts";
import { obstacle } from "./obstacle.ts";
import { unreadable } from "./occupancy.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** The moves of a unit off machines on which it failed, as its RescheduleOnFailure asks for. */
export interface Reschedule {
  /** The intent that failed: with another one counting begins anew. */
  readonly generation: number;
  /** Grows with each move. An assignment that does not know of it is to go. */
  readonly order: number;
  /** The oldest first; the last is the one under way, or carried out. */
  readonly moves: readonly RescheduleMove[];
}

export interface RescheduleMove {
  /** Where it failed. */
  readonly machineId: string;
  /** Milliseconds since 1970, by the clock of the engine that decided it. */
  readonly atMs: number;
}

/** What is known of the unit's moves under its present intent. */
export function rescheduleOf(model: ClusterModel, unit: ReadableUnit): Reschedule | undefined {
  const reschedule = model.reschedule(unit.name);
  return reschedule?.generation === unit.generation ? reschedule : undefined;
}

/** It failed here, and has been ordered to move; an assignment made since is not meant. */
export function hasToMove(model: ClusterModel, unit: ReadableUnit, machineId: string): boolean {
  const reschedule = rescheduleOf(model, unit);
  const assignment = model.assignment(machineId, unit.name);
  if (reschedule === undefined || assignment === undefined || assignment === unreadable) return false;
  return (assignment.rescheduled ?? 0) < reschedule.order;
}

/** The part of a new assignment that says which moves it takes into account. */
export function rescheduledPart(model: ClusterModel, unit: ReadableUnit): { readonly rescheduled?: number } {
  const order = rescheduleOf(model, unit)?.order;
  return order === undefined ? {} : { rescheduled: order };
}

/** Another machine is able to take the unit. */
export function canRunElsewhere(model: ClusterModel, unit: ReadableUnit, machineId: string): boolean {
  for (const other of model.loads.ascending()) {
    if (other.id !== machineId && obstacle(model, unit, other) === undefined) return true;
  }
  return false;
}

/**
 * How little the unit should go to the machine for having failed there: 0 not at all, 1 for some time ago, 2 where it just
 * failed.
 */
export function failureRank(reschedule: Reschedule | undefined, machineId: string): 0 | 1 | 2 {
  if (reschedule === undefined) return 0;
  if (reschedule.moves.at(-1)?.machineId === machineId) return 2;
  return reschedule.moves.some((move) => move.machineId === machineId) ? 1 : 0;
}
