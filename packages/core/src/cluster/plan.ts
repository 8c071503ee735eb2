import type { ClusterModel } from "./cluster-model.ts";
import type { Dirty } from "./dirty.ts";
import { Draft } from "./draft.ts";
import { explain } from "./explain.ts";
import { leaveMachines, scopeOf, updateInPlace } from "./leave.ts";
import { sorted } from "./order.ts";
import { placeGlobals } from "./place-globals.ts";
import { placePending } from "./place-pending.ts";
import type { Machine, Spared } from "./records.ts";
import { sameSpared, sparedUnits } from "./settlements.ts";
import type { PendingUnit, Plan } from "./step.ts";

// What must change, then where it goes:
//
//   changes ──▶ ClusterModel ──takeDirty()──▶ dirty: machines, units, suspects, retries, settles
//                                               │
//        ┌──────────────────────────────────────┘
//        ▼
//   leaveMachines   whose target, machine, MachineID, metadata no longer hold (ownReason), duplicates,
//        │          followers whose peer is gone, then clashes: the one changed last leaves    leave.ts
//        ▼
//   updateInPlace   assignments that differ from their unit                                    leave.ts
//        ▼
//   placeGlobals    every global unit on every able machine                                    place-globals.ts
//        ▼
//   placePending    always the placeable unit changed first, on the least loaded               place-pending.ts
//        │          able machine; Replaces pushes others off it                                pick-machine.ts
//        ▼
//   settle          registrations for which all of this is complete
//        │
//        └──▶ Plan: steps with reasons, and why the rest is pending                            explain.ts
//
// Every step is applied to the model itself while planning (Draft), and all are taken back at the end
// (ClusterModel.speculate): the registry decides whether they come true. Plain placements may stay applied.

export interface PlanOptions {
  /** Units explained at most; each looks at every machine. 200 unless given. */
  readonly explanations?: number;
  /** Placing stops after looking at about so many machines. Unbounded unless given. */
  readonly looks?: number;
  /**
   * Leaves the steps applied to the model when there are only placements that nothing stands against: what is planned
   * next is then planned around them. They must be carried out.
   */
  readonly keepPlacements?: boolean;
}

/**
 * Dirty entries taken, and machines looked at, for one plan: it blocks the process, which has a lease to renew meanwhile.
 * Who plans in other rounds may decide otherwise.
 */
export const planningRound = { dirty: 2_000, looks: 50_000 } as const;

/**
 * What is to be done about what changed. Pure as seen from outside, deterministic and total: the same records
 * and the same dirt give the same plan, in whatever order they came to be.
 */
export function plan(model: ClusterModel, dirty: Dirty, options: PlanOptions = {}): Plan {
  const { explanations = 200, looks = Number.POSITIVE_INFINITY, keepPlacements = false } = options;
  const decide = (dirt: Dirty): Plan => {
    const draft = new Draft(model, dirt);
    const scope = scopeOf(model, dirty);
    leaveMachines(draft, scope);
    updateInPlace(draft, scope);
    placeGlobals(draft, dirty);
    const { units, left } = placePending(draft, dirty, looks);
    const kept = keepPlacements && draft.steps.length > 0 && draft.onlyPlainPlacements;
    // A machine may stop what it has not been assigned only once nothing is left to be decided. Kept placements go by
    // themselves: registrations are confirmed in a plan of their own, once these have come true.
    const complete = !kept && dirty.complete && left.size === 0;
    if (complete) settle(draft, dirty);

    const waiting = model.bySeniority(
      [...units].filter((unit) => model.unplaced.has(unit) && !left.has(unit)),
    );
    const pending: PendingUnit[] = waiting
      .slice(0, explanations)
      .map((unit) => ({ unit, causes: explain(model, unit) }));
    return {
      steps: draft.steps,
      kept,
      pending,
      unexplained: waiting.slice(explanations),
      left: { units: left, settles: complete ? new Set() : dirty.settles },
    };
  };
  return model.speculate(decide, ({ kept }) => kept);
}

function settle(draft: Draft, dirty: Dirty): void {
  if (dirty.settles.size === 0) return;
  // Once for all machines: after an election that is each of them.
  const undecided = sorted(draft.model.undecided);
  for (const machineId of sorted(dirty.settles)) {
    const machine = draft.model.machine(machineId);
    if (machine === undefined) continue;
    const spared = sparedOn(draft.model, machine, undecided);
    if (draft.model.isSettled(machine) && sameSpared(spared, draft.model.spared(machineId))) continue;
    draft.steps.push({ kind: "settle", machineId, registration: machine.registration, spared });
  }
}

/**
 * A machine that has been away has lost its assignments, and what cannot be read is not assigned anew: that is no reason to
 * stop it. Once it has been told, what becomes unreadable is not spared: it was taken away while it could be read.
 */
function sparedOn(model: ClusterModel, machine: Machine, undecided: readonly string[]): Spared {
  if (!model.isSettled(machine)) {
    return sparedUnits(undecided, (unit) => !model.isAssigned(machine.id, unit));
  }
  const told = model.spared(machine.id);
  return sparedUnits(told === "all" ? undecided : told, (unit) => model.undecided.has(unit));
}
