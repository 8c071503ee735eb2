import type { Hints } from "./dirty.ts";
import type { PendingCause } from "./explain.ts";
import type { Assignment, Spared } from "./records.ts";

/** Why a unit has to leave a machine. */
export type LeaveReason =
  | { readonly kind: "destroyed" }
  | { readonly kind: "inactive" }
  | { readonly kind: "machine_gone" }
  | { readonly kind: "machine_leaving" }
  | { readonly kind: "machine_id"; readonly required: string }
  | { readonly kind: "machine_metadata"; readonly key: string; readonly accepted: readonly string[] }
  /** Not global, but assigned twice (it was global before): it stays on `kept`. */
  | { readonly kind: "duplicate"; readonly kept: string }
  /** A unit its MachineOf names is not assigned here any more. */
  | { readonly kind: "machine_of"; readonly peer: string }
  | { readonly kind: "conflict"; readonly unit: string }
  /** systemd reports it failed, and it asks to be moved then. */
  | { readonly kind: "failed" }
  | { readonly kind: "replaced"; readonly unit: string };

/** Why a unit was given to this machine. */
export type AssignReason =
  /** Of the able machines this one had the fewest assigned units. */
  | { readonly kind: "least_loaded"; readonly load: number }
  | { readonly kind: "global" }
  /** It still runs there, and the machine's agent has not been told yet to give it up. */
  | { readonly kind: "kept" };

export interface UpdateReason {
  readonly kind: "changed";
  readonly content: boolean;
  readonly target: boolean;
}

/** One thing to do to the registry. */
export type Step =
  | {
      readonly kind: "withdraw";
      readonly machineId: string;
      readonly unit: string;
      readonly reason: LeaveReason;
    }
  | { readonly kind: "update"; readonly assignment: Assignment; readonly reason: UpdateReason }
  | { readonly kind: "assign"; readonly assignment: Assignment; readonly reason: AssignReason }
  /** Tell the machine's agent that all it should run under this registration is assigned, and what it is to keep besides. */
  | {
      readonly kind: "settle";
      readonly machineId: string;
      readonly registration: number;
      readonly spared: Spared;
    };

/** A unit that is to run and found no machine. */
export interface PendingUnit {
  readonly unit: string;
  readonly causes: readonly PendingCause[];
}

export interface Plan {
  /** In the order they were decided; a later step may rest on an earlier one. */
  readonly steps: readonly Step[];
  /** The steps are still applied to the model; see PlanOptions. */
  readonly kept: boolean;
  /** The unplaced units looked at in this plan that stay unplaced, by (changedAt, name). */
  readonly pending: readonly PendingUnit[];
  /** Those for which the bound on explanations left no room: ask `explain`. */
  readonly unexplained: readonly string[];
  /** What there was no room for: see `ClusterModel.putBack`. */
  readonly left: Undecided;
}

/** Taken out to be decided, and not decided. */
export interface Undecided {
  /** Unit → the machines to try it on. */
  readonly units: ReadonlyMap<string, Hints>;
  readonly settles: ReadonlySet<string>;
}
