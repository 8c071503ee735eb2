import type { ClusterModel } from "./cluster-model.ts";
import type { Dirty } from "./dirty.ts";
import type { Draft } from "./draft.ts";
import { conflictBetween, replacesUnit } from "./eligibility.ts";
import { awaitedBy, isDecidable, misfit, occupant } from "./obstacle.ts";
import { unreadable } from "./occupancy.ts";
import { bySeniority, sorted } from "./order.ts";
import { orderOf } from "./records.ts";
import { hasToMove } from "./reschedule.ts";
import type { LeaveReason } from "./step.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** Machine → assigned units to look at, in order of id and name. */
export type Scope = readonly (readonly [machineId: string, units: readonly string[]])[];

/** The assignments that what is dirty may affect. */
export function scopeOf(model: ClusterModel, dirty: Dirty): Scope {
  const scope = new Map<string, Set<string>>();
  const look = (machineId: string, units: Iterable<string>): void => {
    const known = scope.get(machineId);
    if (known === undefined) scope.set(machineId, new Set(units));
    else for (const unit of units) known.add(unit);
  };
  for (const machineId of dirty.machines) look(machineId, model.assignedOn(machineId).keys());
  for (const unit of dirty.units.keys())
    for (const machineId of model.machinesOf(unit)) look(machineId, [unit]);
  for (const [machineId, units] of dirty.suspects) look(machineId, units);
  return sorted(scope.keys()).map((machineId) => [machineId, sorted(scope.get(machineId) ?? [])]);
}

/** Withdraws what has to leave its machine. */
export function leaveMachines(draft: Draft, scope: Scope): void {
  const { model } = draft;
  for (const [machineId, units] of scope) {
    for (const unit of units) {
      if (!model.isAssigned(machineId, unit) || !isDecidable(model, machineId, unit)) continue;
      const reason = ownReason(model, machineId, unit);
      if (reason !== undefined) draft.withdraw(machineId, unit, reason);
    }
  }
  withdrawDuplicates(draft, scope);
  // A duplicate may have been withdrawn from a machine outside the scope, with followers there.
  const suspects = new Map(scope);
  for (const machineId of draft.dirt.suspects.keys()) {
    if (!suspects.has(machineId)) suspects.set(machineId, []);
  }
  for (const machineId of sorted(suspects.keys())) {
    separate(
      draft,
      machineId,
      new Set([...(suspects.get(machineId) ?? []), ...draft.takeSuspects(machineId)]),
    );
  }
}

/** Brings assignments of units that stay up to date with their units. */
export function updateInPlace(draft: Draft, scope: Scope): void {
  const { model } = draft;
  for (const [machineId, units] of scope) {
    for (const name of units) {
      const unit = model.readableUnit(name);
      const assignment = model.assignment(machineId, name);
      if (unit === undefined || assignment === undefined || assignment === unreadable) continue;
      if (unit.target === "inactive" || !isDecidable(model, machineId, name)) continue;
      if (mayRunElsewhere(model, machineId, unit)) continue;
      const content = unit.hash !== assignment.hash;
      const target = unit.target !== assignment.target;
      const order = model.restartOrder(machineId, name);
      const outdated =
        content ||
        target ||
        unit.generation !== assignment.generation ||
        order.restart !== assignment.restart ||
        lacksHold(model, machineId, unit);
      const kept = assignment.rescheduled === undefined ? {} : { rescheduled: assignment.rescheduled };
      // What is assigned here again will not go: waiting for it would never end.
      const waitsInVain = assignment.awaits.some((awaited) => model.isAssigned(machineId, awaited));
      if (!outdated && !waitsInVain) continue;
      const awaits = awaitedBy(model, unit, machineId);
      draft.update(
        { machineId, unit: name, ...orderOf(unit, unit.target), awaits, ...order, ...kept },
        { kind: "changed", content, target },
      );
    }
  }
}

/**
 * Another machine may still be running the exclusive unit, or nobody can tell which one is. It came here while it was not
 * exclusive, and what is here stays as it is: with a new order this machine would take the place of the one waited for.
 */
function mayRunElsewhere(model: ClusterModel, machineId: string, unit: ReadableUnit): boolean {
  if (unit.requirements.exclusive === undefined) return false;
  const hold = model.exclusiveHold(unit.name);
  return hold !== undefined && (hold === unreadable || hold.machineId !== machineId);
}

/** Nothing notes yet that the exclusive unit is here: it became exclusive, or an older engine gave it away. */
function lacksHold(model: ClusterModel, machineId: string, unit: ReadableUnit): boolean {
  if (unit.requirements.exclusive === undefined || model.machine(machineId) === undefined) return false;
  return model.exclusiveHold(unit.name) === undefined;
}

/** Why the unit may not stay, whatever else is on the machine. */
function ownReason(model: ClusterModel, machineId: string, name: string): LeaveReason | undefined {
  const unit = model.readableUnit(name);
  if (unit === undefined) return { kind: "destroyed" };
  if (unit.target === "inactive") return { kind: "inactive" };
  const machine = model.machine(machineId);
  if (machine === undefined) return { kind: "machine_gone" };
  if (machine.leaving) return { kind: "machine_leaving" };
  const lacking = misfit(unit, machine);
  if (lacking === undefined) return hasToMove(model, unit, machineId) ? { kind: "failed" } : undefined;
  return lacking.cause === "MachineID"
    ? { kind: "machine_id", required: lacking.required }
    : { kind: "machine_metadata", key: lacking.key, accepted: lacking.accepted };
}

function withdrawDuplicates(draft: Draft, scope: Scope): void {
  const { model } = draft;
  const names = new Set(scope.flatMap(([, units]) => units));
  for (const name of sorted(names)) {
    const unit = model.readableUnit(name);
    const machines = model.machinesOf(name);
    if (unit === undefined || unit.requirements.global || machines.size < 2) continue;
    const [kept, ...others] = sorted(machines).filter((machineId) => isDecidable(model, machineId, name));
    if (kept === undefined) continue;
    for (const machineId of others) draft.withdraw(machineId, name, { kind: "duplicate", kept });
  }
}

/**
 * Withdraws followers whose peer is gone, then, as long as units that may not be side by side are, the one of
 * them that was changed last. One at a time: its leaving may have ended other conflicts.
 */
function separate(draft: Draft, machineId: string, suspects: ReadonlySet<string>): void {
  if (draft.model.machine(machineId) === undefined) return;
  draft.withdrawFollowers(machineId, suspects);
  for (;;) {
    const leaver = lastToClash(draft.model, machineId, suspects);
    if (leaver === undefined) return;
    draft.withdraw(machineId, leaver.name, clashReason(draft.model, machineId, leaver));
    draft.withdrawFollowers(machineId, draft.takeSuspects(machineId));
  }
}

/**
 * Of the units that must not stay beside another one, the one changed last. Pairs without a suspect were in
 * order when they were last looked at.
 */
function lastToClash(
  model: ClusterModel,
  machineId: string,
  suspects: ReadonlySet<string>,
): ReadableUnit | undefined {
  let last: ReadableUnit | undefined;
  const consider = (name: string): void => {
    const unit = model.readableUnit(name);
    if (unit === undefined || !isDecidable(model, machineId, name)) return;
    if (last === undefined || bySeniority(unit, last) > 0) last = unit;
  };
  for (const name of suspects) {
    if (!model.isAssigned(machineId, name)) continue;
    const suspect = occupant(model, name);
    for (const otherName of neighbours(model, machineId, suspect)) {
      const other = occupant(model, otherName);
      if (conflictBetween(suspect, other) !== undefined) {
        consider(name);
        consider(otherName);
      }
      if (replacesUnit(suspect, other) !== undefined) consider(otherName);
      if (replacesUnit(other, suspect) !== undefined) consider(name);
    }
  }
  return last;
}

/** The assigned units that can clash with the suspect. */
function* neighbours(
  model: ClusterModel,
  machineId: string,
  suspect: ReturnType<typeof occupant>,
): Generator<string> {
  const asks = (suspect.requirements?.conflicts.length ?? 0) + (suspect.requirements?.replaces.length ?? 0);
  if (asks > 0) yield* model.assignedOn(machineId).keys();
  else {
    for (const name of model.exactingOccupants(machineId)) if (model.isAssigned(machineId, name)) yield name;
  }
}

function clashReason(model: ClusterModel, machineId: string, leaver: ReadableUnit): LeaveReason {
  let replacer = "";
  for (const name of sorted(model.assignedOn(machineId).keys())) {
    const other = occupant(model, name);
    if (conflictBetween(leaver, other) !== undefined) return { kind: "conflict", unit: name };
    if (replacer === "" && replacesUnit(other, leaver) !== undefined) replacer = name;
  }
  return { kind: "replaced", unit: replacer };
}
