import type { ClusterModel } from "./cluster-model.ts";
import { unreadable } from "./occupancy.ts";
import { sorted } from "./order.ts";
import { plan, planningRound } from "./plan.ts";
import type { Assignment, Unit } from "./records.ts";
import type { AssignReason, LeaveReason, Step } from "./step.ts";

/** What is to be supposed of a cluster. */
export interface Hypothesis {
  /** Units as they would be, those that are there and those that are not. */
  readonly units: readonly Unit[];
  readonly destroyed: readonly string[];
  /** Machines that leave in order. */
  readonly drained: readonly string[];
  /** Machines that are lost. */
  readonly lost: readonly string[];
}

export type DryRunStep =
  | {
      readonly kind: "place";
      readonly assignment: Assignment;
      readonly reason: AssignReason;
      /** Where it was before, and why it left. */
      readonly from?: { readonly machineId: string; readonly reason: LeaveReason };
    }
  | {
      readonly kind: "stop";
      readonly unit: string;
      readonly machineId: string;
      readonly reason: LeaveReason;
      /** It is to run, and found no other machine. */
      readonly waits: boolean;
    }
  | {
      readonly kind: "update";
      readonly assignment: Assignment;
      readonly content: boolean;
      readonly target: boolean;
    };

export interface DryRun {
  /** In the order in which they are decided. A move stands where it begins. */
  readonly steps: readonly DryRunStep[];
  /** Units that wait for a machine in the end and did not before, and those of the hypothesis that do; by name. */
  readonly waiting: readonly string[];
}

/** Machines looked through before the caller may pause. */
const machinesAtOnce = 500;
/** Agents follow so many times at most: far more than any cluster takes that comes to rest. */
const mostTurns = 1_000;

/**
 * What the engine would decide if this were so: `plan` over and over, and agents that carry out everything at once,
 * until nothing is left to do. The model is used up by it: in the end it is the cluster as it would be.
 *
 * What is under way without the hypothesis is taken to its end before, and is no part of the steps. Yields between plans,
 * so that the caller can pause.
 */
export function* dryRun(model: ClusterModel, hypothesis: Hypothesis): Generator<void, DryRun, void> {
  model.markAllDirty();
  yield* comeToRest(model);
  const waitedBefore = new Set(model.unplaced);
  suppose(model, hypothesis);
  const decided = yield* comeToRest(model);
  const waits = (unit: string): boolean =>
    model.unplaced.has(unit) || (model.globals.has(unit) && model.machinesOf(unit).size === 0);
  const supposed = hypothesis.units.map(({ name }) => name).filter(waits);
  const since = [...model.unplaced].filter((unit) => !waitedBefore.has(unit));
  return { steps: joined(model, decided), waiting: sorted(new Set([...supposed, ...since])) };
}

function suppose(model: ClusterModel, { units, destroyed, drained, lost }: Hypothesis): void {
  for (const name of destroyed) model.removeUnit(name);
  for (const unit of units) model.setUnit(unit);
  for (const machineId of drained) {
    const machine = model.machine(machineId);
    if (machine !== undefined) model.setMachine({ ...machine, leaving: true });
  }
  for (const machineId of lost) model.removeMachine(machineId);
}

function* comeToRest(model: ClusterModel): Generator<void, readonly Step[], void> {
  const decided: Step[] = [];
  for (let turn = 0; model.isDirty && turn < mostTurns; turn += 1) {
    while (model.isDirty) {
      const { steps, left } = plan(model, model.takeDirty(planningRound.dirty), {
        explanations: 0,
        looks: planningRound.looks,
      });
      model.putBack(left);
      for (const step of steps) carryOut(model, step);
      for (const step of withoutCancelled(steps)) decided.push(step);
      yield;
    }
    yield* letAgentsFollow(model);
    endExclusiveHolds(model);
  }
  return decided;
}

function carryOut(model: ClusterModel, step: Step): void {
  switch (step.kind) {
    case "withdraw":
      model.removeAssignment(step.machineId, step.unit);
      return;
    case "settle":
      model.setSettled(step.machineId, step);
      return;
    case "assign":
    case "update":
      model.setAssignment(step.assignment);
      giveExclusively(model, step.assignment);
  }
}

/** An exclusive unit may run on this machine from now on, and on no other. */
function giveExclusively(model: ClusterModel, { unit, machineId }: Assignment): void {
  const exclusive = model.readableUnit(unit)?.requirements.exclusive;
  const machine = model.machine(machineId);
  if (exclusive === undefined || machine === undefined) return;
  const { registration } = machine;
  model.setExclusiveHold(unit, { machineId, registration, stopMs: exclusive.stopMs });
}

/** What is assigned and withdrawn in one plan never happens. */
function withoutCancelled(steps: readonly Step[]): readonly Step[] {
  const kept = new Map<number, Step>(steps.entries());
  const assigned = new Map<string, number>();
  for (const [index, step] of steps.entries()) {
    if (step.kind === "assign") assigned.set(`${step.assignment.machineId}/${step.assignment.unit}`, index);
    if (step.kind !== "withdraw") continue;
    const fresh = assigned.get(`${step.machineId}/${step.unit}`);
    if (fresh === undefined) continue;
    kept.delete(fresh);
    kept.delete(index);
  }
  return [...kept.values()];
}

/** Machines that have been told all they should run stop everything else, and have what they should run. */
function* letAgentsFollow(model: ClusterModel): Generator<void, void, void> {
  for (const [index, machineId] of model.machineIds().entries()) {
    if (index % machinesAtOnce === machinesAtOnce - 1) yield;
    const machine = model.machine(machineId);
    if (machine === undefined || !model.isSettled(machine)) continue;
    for (const unit of model.heldOn(machineId)) {
      if (!model.mayKeep(machine, unit)) model.removeState(machineId, unit);
    }
    for (const [unit, assignment] of model.assignedOn(machineId)) {
      if (assignment === unreadable || model.hasState(machineId, unit)) continue;
      if (!assignment.awaits.some((awaited) => model.hasState(machineId, awaited))) {
        model.setState(machineId, unit);
      }
    }
  }
}

/** Exclusive units have ended where nothing says that they are any more: the longest wait for that is over. */
function endExclusiveHolds(model: ClusterModel): void {
  for (const unit of sorted(model.unplaced)) {
    const hold = model.exclusiveHold(unit);
    if (hold === undefined || hold === unreadable) continue;
    const { machineId } = hold;
    if (model.isPresent(machineId) && model.hasState(machineId, unit)) continue;
    model.setExclusiveHold(unit, undefined);
  }
}

/** Puts the two halves of moves together. */
function joined(model: ClusterModel, steps: readonly Step[]): readonly DryRunStep[] {
  const result: DryRunStep[] = [];
  /** Unit → the index in the result of its stop, until it is placed again. */
  const stopped = new Map<string, number>();
  for (const step of steps) {
    switch (step.kind) {
      case "settle":
        break;
      case "withdraw": {
        const { unit, machineId, reason } = step;
        if (!isGlobal(model, unit)) stopped.set(unit, result.length);
        result.push({ kind: "stop", unit, machineId, reason, waits: model.unplaced.has(unit) });
        break;
      }
      case "update": {
        const { content, target } = step.reason;
        if (content || target) result.push({ kind: "update", assignment: step.assignment, content, target });
        break;
      }
      case "assign": {
        const { assignment, reason } = step;
        const at = stopped.get(assignment.unit);
        const stop = at === undefined ? undefined : result[at];
        stopped.delete(assignment.unit);
        if (at === undefined || stop?.kind !== "stop" || stop.machineId === assignment.machineId) {
          result.push({ kind: "place", assignment, reason });
        } else {
          const from = { machineId: stop.machineId, reason: stop.reason };
          result[at] = { kind: "place", assignment, reason, from };
        }
      }
    }
  }
  return result;
}

function isGlobal(model: ClusterModel, unit: string): boolean {
  return model.readableUnit(unit)?.requirements.global === true;
}
