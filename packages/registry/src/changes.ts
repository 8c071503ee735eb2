import type { ExclusiveHold, Reschedule, UnitOption } from "@fleet/core";
import type { FleetError } from "@fleet/runtime";
import type {
  AssignmentRecord,
  ClusterRecord,
  ConfirmedLossesRecord,
  EventsRecord,
  LeaderRecord,
  MachineRecord,
  MassLossRecord,
  MetadataRecord,
  RestartRecord,
  SettledRecord,
  StateRecord,
  UnitRecord,
} from "./records.ts";

/** What is in the store under one key. */
export type Entry<Value> =
  | {
      readonly status: "present";
      readonly value: Value;
      readonly createRevision: number;
      readonly modRevision: number;
    }
  | {
      readonly status: "absent";
      /** Revision of the deletion, or a later one at which the absence was noticed. */
      readonly modRevision: number;
    }
  | {
      /** Something is there that cannot be read. It must not be taken for absent. */
      readonly status: "corrupt";
      readonly problem: string;
      readonly modRevision: number;
    };

/** One key that differs from what was delivered before. */
export type Change =
  | { readonly kind: "cluster"; readonly entry: Entry<ClusterRecord> }
  | { readonly kind: "unit"; readonly name: string; readonly entry: Entry<UnitRecord> }
  | { readonly kind: "body"; readonly hash: string; readonly entry: Entry<readonly UnitOption[]> }
  | { readonly kind: "machine"; readonly machineId: string; readonly entry: Entry<MachineRecord> }
  | {
      readonly kind: "metadata";
      readonly machineId: string;
      readonly key: string;
      readonly entry: Entry<MetadataRecord>;
    }
  | {
      readonly kind: "assignment";
      readonly machineId: string;
      readonly unit: string;
      readonly entry: Entry<AssignmentRecord>;
    }
  | { readonly kind: "settled"; readonly machineId: string; readonly entry: Entry<SettledRecord> }
  | {
      readonly kind: "state";
      readonly machineId: string;
      readonly unit: string;
      readonly entry: Entry<StateRecord>;
    }
  | { readonly kind: "restart"; readonly id: string; readonly entry: Entry<RestartRecord> }
  | { readonly kind: "mass-loss"; readonly entry: Entry<MassLossRecord> }
  | { readonly kind: "confirmed-losses"; readonly entry: Entry<ConfirmedLossesRecord> }
  | { readonly kind: "reschedule"; readonly unit: string; readonly entry: Entry<Reschedule> }
  | { readonly kind: "exclusive-hold"; readonly unit: string; readonly entry: Entry<ExclusiveHold> }
  | { readonly kind: "events"; readonly id: string; readonly entry: Entry<EventsRecord> }
  | { readonly kind: "leader"; readonly entry: Entry<LeaderRecord> };

/** All changes up to a revision that were not delivered before; applied as a whole they give a state the store had. */
export interface ChangeBatch {
  readonly revision: number;
  readonly changes: readonly Change[];
}

/** Hears how following goes. Both are called on transitions only. */
export interface FollowObserver {
  connected(): void;
  disconnected(error: FleetError): void;
}
