import type { ClusterModel } from "./cluster-model.ts";
import { type Obstacle, obstacle } from "./obstacle.ts";
import { unreadable } from "./occupancy.ts";
import { compareText } from "./order.ts";
import { boundTo } from "./place-pending.ts";
import { type Machine, unknownMachine } from "./records.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** Why a machine takes no units now; `gone`: it is not there. */
export type Closed = "leaving" | "unreadable" | "away" | "gone";

/** What one machine is to a unit. */
export type Verdict =
  | { readonly kind: "able" }
  | { readonly kind: "closed"; readonly why: Closed }
  | { readonly kind: "unable"; readonly machine: Machine; readonly obstacle: Obstacle };

/** Why a unit that is to run has no machine. */
export type PendingCause =
  /** No machine is present. */
  | { readonly kind: "no_machine" }
  /** The machine still has it loaded, and must give it up first. */
  | { readonly kind: "held"; readonly machineId: string }
  /** Exclusive, and this machine (unknown if left out), which does not say so, may still be running it. */
  | { readonly kind: "exclusive"; readonly machineId?: string }
  /** These machines take no units now. `machineId` is the lowest of them. */
  | {
      readonly kind: "closed";
      readonly why: Closed;
      readonly machines: number;
      readonly machineId: string;
    }
  /** Machines kept out by the same cause; `obstacle` is that of the lowest of them, `machineId`. */
  | {
      readonly kind: "unable";
      readonly obstacle: Obstacle;
      readonly machines: number;
      readonly machineId: string;
    };

const causeOrder = ["MachineID", "MachineMetadata", "MachineOf", "Conflicts", "Replaces", "ReplacesBlocked"];

/**
 * Why the unit cannot be placed as things stand; empty when it can (it is then placed by the next plan), or when
 * it is not waiting for a machine at all. Looks at every machine.
 */
export function explain(model: ClusterModel, name: string): readonly PendingCause[] {
  const unit = model.readableUnit(name);
  if (unit === undefined || !model.unplaced.has(name)) return [];
  const bound = boundTo(model, unit);
  if (bound === "waits") return waitingFor(model, name);
  const machineIds = bound === "free" ? model.machineIds() : [bound.id];
  if (machineIds.length === 0) return [{ kind: "no_machine" }];

  const causes = new Map<string, PendingCause>();
  for (const machineId of machineIds) {
    const verdict = verdictOn(model, unit, machineId);
    if (verdict.kind === "able") return [];
    if (verdict.kind === "closed") {
      count(causes, `0 ${verdict.why}`, { ...verdict, machines: 1, machineId });
    } else {
      const { obstacle: found } = verdict;
      const key = `1 ${causeOrder.indexOf(found.cause)}`;
      count(causes, key, { kind: "unable", obstacle: found, machines: 1, machineId });
    }
  }
  return [...causes].sort(([left], [right]) => compareText(left, right)).map(([, cause]) => cause);
}

/** Whether the machine could take the unit now, and what keeps it from that. */
export function verdictOn(model: ClusterModel, unit: ReadableUnit, machineId: string): Verdict {
  const machine = model.machine(machineId);
  if (machine === undefined) {
    const why = model.isAway(machineId) ? "away" : model.isPresent(machineId) ? "unreadable" : "gone";
    return { kind: "closed", why };
  }
  if (machine.leaving) return { kind: "closed", why: "leaving" };
  const found = obstacle(model, unit, machine);
  return found === undefined ? { kind: "able" } : { kind: "unable", machine, obstacle: found };
}

/** What a unit waits for that is bound to where it was. */
export function waitingFor(
  model: ClusterModel,
  name: string,
): readonly Extract<PendingCause, { kind: "held" | "exclusive" }>[] {
  const holders = model.holders(name);
  if (holders.length > 0) return holders.map((machineId) => ({ kind: "held", machineId }));
  const hold = model.exclusiveHold(name);
  return [
    hold === undefined || hold === unreadable || hold.machineId === unknownMachine
      ? { kind: "exclusive" }
      : { kind: "exclusive", machineId: hold.machineId },
  ];
}

function count(
  causes: Map<string, PendingCause>,
  key: string,
  cause: Extract<PendingCause, { kind: "closed" | "unable" }>,
): void {
  const known = causes.get(key);
  const machines = known !== undefined && "machines" in known ? known.machines : 0;
  causes.set(key, { ...(known ?? cause), ...{ machines: machines + 1 } });
}
