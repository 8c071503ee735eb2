import type { ClusterModel } from "./cluster-model.ts";
import type { Dirty } from "./dirty.ts";
import { isDecidable, missingPeer } from "./obstacle.ts";
import { sorted } from "./order.ts";
import type { Assignment } from "./records.ts";
import type { AssignReason, LeaveReason, Step, UpdateReason } from "./step.ts";
import type { ReadableUnit } from "./unit-standing.ts";

const nobody: ReadonlySet<string> = new Set();

/**
 * The steps decided so far, each applied to the (speculating) model at once, so that the next decision sees it.
 *
 * Invariant: a unit withdrawn from a present machine counts as held there for the rest of the plan, and is not
 * placed again before the next one. The machine may be starting it this very moment; only when the withdrawal
 * has been committed and no state row is left is it certain that it never will.
 */
export class Draft {
  readonly model: ClusterModel;
  /** What the steps so far may help or force to leave. */
  readonly dirt: Dirty;
  readonly steps: Step[] = [];
  /** Machines looked at for units that wait for one: what planning takes. */
  looks = 0;
  /** All steps are placements that rest on nothing but the unit and the machine: nothing can stand against them. */
  onlyPlainPlacements = true;
  /** Unit → the present machines that it was withdrawn from. */
  readonly #withdrawn = new Map<string, Set<string>>();

  constructor(model: ClusterModel, dirt: Dirty) {
    this.model = model;
    this.dirt = dirt;
  }

  /** The unit was withdrawn from a present machine in this plan. */
  isMoving(unit: string): boolean {
    return this.#withdrawn.has(unit);
  }

  /** The same, of this machine. A global unit that leaves one machine has its place on the others all the same. */
  isLeaving(machineId: string, unit: string): boolean {
    return this.#withdrawn.get(unit)?.has(machineId) ?? false;
  }

  withdraw(machineId: string, unit: string, reason: LeaveReason): void {
    if (this.model.isPresent(machineId)) {
      this.#withdrawn.set(unit, (this.#withdrawn.get(unit) ?? new Set()).add(machineId));
      this.model.setState(machineId, unit);
    }
    this.model.removeAssignment(machineId, unit);
    this.onlyPlainPlacements = false;
    this.steps.push({ kind: "withdraw", machineId, unit, reason });
  }

  /** Withdraws, among `suspects` of the machine, the units whose MachineOf no longer holds, and what follows them. */
  withdrawFollowers(machineId: string, suspects: ReadonlySet<string>): void {
    const { model } = this;
    for (let round = suspects; round.size > 0; round = this.takeSuspects(machineId)) {
      const leaving: { readonly unit: string; readonly peer: string }[] = [];
      for (const name of sorted(round)) {
        const unit = model.readableUnit(name);
        if (unit === undefined || !model.isAssigned(machineId, name)) continue;
        const missing = missingPeer(model, unit, machineId);
        if (missing !== undefined && isDecidable(model, machineId, name)) {
          leaving.push({ unit: name, peer: missing.peer });
        }
      }
      if (leaving.length === 0) return;
      for (const { unit, peer } of leaving) this.withdraw(machineId, unit, { kind: "machine_of", peer });
    }
  }

  update(assignment: Assignment, reason: UpdateReason): void {
    this.model.setAssignment(assignment);
    this.onlyPlainPlacements = false;
    this.steps.push({ kind: "update", assignment, reason });
  }

  assign({ requirements }: ReadableUnit, assignment: Assignment, reason: AssignReason): void {
    this.model.setAssignment(assignment, { decided: true });
    // What was just made as it should be is not looked at again.
    this.dirt.suspects.get(assignment.machineId)?.delete(assignment.unit);
    if (assignment.awaits.length > 0 || requirements.exclusive !== undefined)
      this.onlyPlainPlacements = false;
    this.steps.push({ kind: "assign", assignment, reason });
  }

  /** The units of the machine that earlier steps may have made leave. */
  takeSuspects(machineId: string): ReadonlySet<string> {
    const suspects = this.dirt.suspects.get(machineId);
    if (suspects === undefined) return nobody;
    this.dirt.suspects.delete(machineId);
    return suspects;
  }
}
