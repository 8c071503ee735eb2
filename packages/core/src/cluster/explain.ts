import type { ClusterModel } from "./cluster-model.ts";
import { type Obstacle, obstacle } from "./obstacle.ts";
import { unreadable } from "./occupancy.ts";
import { compareText } from "./order.ts";
import { boundTo } from "./place-pending.ts";
import { unknownMachine } from "./records.ts";

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
      readonly why: "leaving" | "unreadable" | "away";
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
  const bound = boundTo(model, name);
  if (bound === "waits") return waitingFor(model, name);
  const machineIds = bound === "free" ? model.machineIds() : [bound.id];
  if (machineIds.length === 0) return [{ kind: "no_machine" }];

  const causes = new Map<string, PendingCause>();
  for (const machineId of machineIds) {
    const machine = model.machine(machineId);
    if (machine === undefined || machine.leaving) {
      const why = machine !== undefined ? "leaving" : model.isAway(machineId) ? "away" : "unreadable";
      count(causes, `0 ${why}`, { kind: "closed", why, machines: 1, machineId });
      continue;
    }
    const found = obstacle(model, unit, machine);
    if (found === undefined) return [];
    const key = `1 ${causeOrder.indexOf(found.cause)}`;
    count(causes, key, { kind: "unable", obstacle: found, machines: 1, machineId });
  }
  return [...causes].sort(([left], [right]) => compareText(left, right)).map(([, cause]) => cause);
}

function waitingFor(model: ClusterModel, name: string): readonly PendingCause[] {
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
