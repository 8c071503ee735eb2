import type { AssignReason, LeaveReason } from "@fleet/core";
import type { WaitingCause } from "@fleet/registry";

/** What the engine has decided or noticed, for those who look on; written as an EventRecord, which is read less strictly. */
export type ClusterEvent =
  | {
      readonly kind: "assigned";
      readonly unit: string;
      readonly machineId: string;
      readonly reason: AssignReason["kind"];
    }
  /** Withdrawn for this reason and assigned to another machine. */
  | {
      readonly kind: "moved";
      readonly unit: string;
      readonly machineId: string;
      readonly fromMachineId: string;
      readonly reason: LeaveReason["kind"];
      /** The unit that the reason is about, if any. */
      readonly peer?: string;
    }
  | {
      readonly kind: "withdrawn";
      readonly unit: string;
      readonly machineId: string;
      readonly reason: LeaveReason["kind"];
      readonly peer?: string;
    }
  | {
      readonly kind: "updated";
      readonly unit: string;
      readonly machineId: string;
      readonly reason: "content" | "target" | "restart" | "repeated";
      readonly target: "loaded" | "launched";
    }
  | { readonly kind: "waiting"; readonly unit: string; readonly causes: readonly WaitingCause[] }
  | { readonly kind: "machine-joined"; readonly machineId: string }
  | { readonly kind: "machine-leaving"; readonly machineId: string }
  | { readonly kind: "machine-left"; readonly machineId: string }
  /** Given up: what it ran is placed elsewhere. */
  | {
      readonly kind: "machine-lost";
      readonly machineId: string;
      readonly reason: "silent" | "confirmed";
    }
  /** Too many machines vanished at once: what they ran is not placed elsewhere. */
  | { readonly kind: "losses-held"; readonly vanished: number; readonly of: number }
  /** None of them is held for any more. */
  | { readonly kind: "losses-released" }
  | { readonly kind: "leader-elected"; readonly machineId: string }
  /** So many more events came than a record has room for. */
  | { readonly kind: "omitted"; readonly count: number };
