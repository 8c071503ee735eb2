import type { ClusterModel } from "./cluster-model.ts";
import {
  conflictBetween,
  declaredConflict,
  type Ineligibility,
  matchesMachineId,
  metadataMismatch,
  type Occupant,
  replacesUnit,
} from "./eligibility.ts";
import { unreadable } from "./occupancy.ts";
import { bySeniority, compareText, sorted } from "./order.ts";
import type { Machine } from "./records.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** What keeps a unit off one machine. */
export type Obstacle =
  | Ineligibility
  /** The unit would have to push `unit` off the machine, which cannot be done. */
  | { readonly cause: "ReplacesBlocked"; readonly unit: string; readonly why: PushObstacle };

export type PushObstacle =
  /** No other machine is able to take it. */
  | "nowhere_else"
  /** Its record or its assignment cannot be read. */
  | "unreadable"
  /**
   * It replaces units itself and was changed later. Pushing only what is senior keeps rings of three and more
   * units that replace each other from chasing one another for ever.
   */
  | "junior_replacer"
  /** With it a unit would go that the pushing one must share its machine with. */
  | "takes_peer_along";

/**
 * The first obstacle, in the order MachineID, MachineMetadata, MachineOf, Conflicts, Replaces; undefined when the
 * machine is able. The same verdict as `eligibility`, found through the model's indexes; beyond it, units that
 * would be pushed off must be able to run elsewhere.
 */
export function obstacle(model: ClusterModel, unit: ReadableUnit, machine: Machine): Obstacle | undefined {
  return (
    misfit(unit, machine) ??
    missingPeer(model, unit, machine.id) ??
    crowding(model, unit, machine.id) ??
    blockedPush(model, unit, machine)
  );
}

/** What the machine itself lacks. */
export function misfit(
  unit: ReadableUnit,
  machine: Machine,
): Extract<Ineligibility, { cause: "MachineID" | "MachineMetadata" }> | undefined {
  const { machineId } = unit.requirements;
  if (machineId !== undefined && !matchesMachineId(machineId, machine.id)) {
    return { cause: "MachineID", required: machineId };
  }
  return metadataMismatch(unit.requirements, machine.metadata);
}

export function missingPeer(
  model: ClusterModel,
  unit: ReadableUnit,
  machineId: string,
): Extract<Ineligibility, { cause: "MachineOf" }> | undefined {
  const peer = unit.requirements.machineOf.find((name) => !model.isAssigned(machineId, name));
  return peer === undefined ? undefined : { cause: "MachineOf", peer };
}

/** The occupants the unit would push off the machine, in order of name. Held ones are leaving already. */
export function pushedBy(model: ClusterModel, unit: ReadableUnit, machineId: string): string[] {
  if (unit.requirements.replaces.length === 0) return [];
  return sorted(
    [...model.assignedOn(machineId).keys()].filter(
      (name) => replacesUnit(unit, occupant(model, name)) !== undefined,
    ),
  );
}

/** The held units of the machine that must be gone before the unit may be loaded there, in order of name. */
export function awaitedBy(model: ClusterModel, unit: ReadableUnit, machineId: string): string[] {
  if (unit.requirements.replaces.length === 0) return [];
  return model.heldOn(machineId).filter((name) => replacesUnit(unit, occupant(model, name)) !== undefined);
}

/** The unit as its neighbours see it, whether or not its record can be read. */
export function occupant(model: ClusterModel, name: string): Occupant {
  return model.readableUnit(name) ?? { name, requirements: undefined };
}

/** The machine, the assignment and the unit can all be read (or the unit is gone): something can be decided. */
export function isDecidable(model: ClusterModel, machineId: string, unit: string): boolean {
  if (model.isPresent(machineId) && model.machine(machineId) === undefined) return false;
  if (model.assignment(machineId, unit) === unreadable) return false;
  return model.unit(unit) === undefined || model.readableUnit(unit) !== undefined;
}

/** An occupant that conflicts with the unit or replaces it. */
function crowding(model: ClusterModel, unit: ReadableUnit, machineId: string): Ineligibility | undefined {
  let conflicting: string | undefined;
  let replacer: string | undefined;
  // What keeps the unit away by its own word; what the unit keeps away is found by name alone.
  for (const name of model.exactingOccupants(machineId)) {
    const other = occupant(model, name);
    if (conflictBetween(unit, other) !== undefined) conflicting = lower(conflicting, name);
    if (replacesUnit(other, unit) !== undefined) replacer = lower(replacer, name);
  }
  if (unit.requirements.conflicts.length > 0) {
    for (const name of model.occupants(machineId)) {
      if (declaredConflict(unit, name) !== undefined) conflicting = lower(conflicting, name);
    }
  }
  if (conflicting !== undefined) {
    const conflict = conflictBetween(unit, occupant(model, conflicting));
    if (conflict !== undefined) return { cause: "Conflicts", unit: conflicting, conflict };
  }
  if (replacer !== undefined) {
    const glob = replacesUnit(occupant(model, replacer), unit);
    if (glob !== undefined) return { cause: "Replaces", unit: replacer, glob };
  }
  return undefined;
}

/** A unit that this one would have to push off the machine, and cannot. */
export function blockedPush(model: ClusterModel, unit: ReadableUnit, machine: Machine): Obstacle | undefined {
  const pushed = pushedBy(model, unit, machine.id);
  if (pushed.length === 0) return undefined;
  for (const name of pushed) {
    const why = pushObstacle(model, unit, name, machine);
    if (why !== undefined) return { cause: "ReplacesBlocked", unit: name, why };
  }
  const peers = new Set(unit.requirements.machineOf);
  for (const name of pushed) {
    if (takesAlong(model, name, machine.id, peers)) {
      return { cause: "ReplacesBlocked", unit: name, why: "takes_peer_along" };
    }
  }
  return undefined;
}

function pushObstacle(
  model: ClusterModel,
  pusher: ReadableUnit,
  name: string,
  machine: Machine,
): PushObstacle | undefined {
  const pushed = model.readableUnit(name);
  if (pushed === undefined || !isDecidable(model, machine.id, name)) return "unreadable";
  // A global unit needs no other machine: it is merely absent from this one.
  if (pushed.requirements.global) return undefined;
  if (pushed.requirements.replaces.length > 0 && bySeniority(pushed, pusher) > 0) return "junior_replacer";
  return canRunElsewhere(model, pushed, machine.id) ? undefined : "nowhere_else";
}

/** Another machine is able to take the unit, without having to push anything off in turn. */
function canRunElsewhere(model: ClusterModel, unit: ReadableUnit, machineId: string): boolean {
  for (const other of model.loads.ascending()) {
    if (other.id === machineId) continue;
    const able =
      misfit(unit, other) === undefined &&
      missingPeer(model, unit, other.id) === undefined &&
      crowding(model, unit, other.id) === undefined &&
      pushedBy(model, unit, other.id).length === 0;
    if (able) return true;
  }
  return false;
}

/** Whether one of `peers` leaves the machine when `unit` does, following it directly or through others. */
function takesAlong(
  model: ClusterModel,
  unit: string,
  machineId: string,
  peers: ReadonlySet<string>,
): boolean {
  const leaving = new Set([unit]);
  for (const name of leaving) {
    if (peers.has(name)) return true;
    for (const follower of model.followers(name)) {
      if (model.isAssigned(machineId, follower) && isDecidable(model, machineId, follower)) {
        leaving.add(follower);
      }
    }
  }
  return false;
}

function lower(left: string | undefined, right: string): string {
  return left === undefined || compareText(right, left) < 0 ? right : left;
}
