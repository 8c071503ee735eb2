import type { TargetState, UnitOption } from "@fleet/core";
import type { FleetError } from "@fleet/runtime";

/** The part of the registry the API uses. */
export interface ApiRegistry {
  /** `frozen`: why the store may not be trusted now; undefined when all is well. */
  readonly guard: { readonly frozen: FleetError | undefined };
  readonly intents: {
    read(name: string): Promise<UnitReading | undefined>;
    put(request: {
      readonly name: string;
      readonly options?: readonly UnitOption[];
      readonly target?: TargetState;
    }): Promise<PutOutcome>;
    destroy(
      name: string,
    ): Promise<{ readonly outcome: "destroyed"; readonly revision: number } | { readonly outcome: "absent" }>;
  };
  followCluster(signal: AbortSignal, observer?: FollowObserver): AsyncIterable<ClusterBatch>;
}

export interface UnitReading {
  readonly name: string;
  readonly options: readonly UnitOption[];
  readonly record: { readonly hash: string; readonly target: TargetState };
  readonly modRevision: number;
}

export type PutOutcome =
  | { readonly outcome: "created" | "replaced" | "changed" | "unchanged"; readonly revision: number }
  | { readonly outcome: "refused"; readonly reason: "no_options" | "no_target" };

export interface FollowObserver {
  connected(): void;
  disconnected(error: unknown): void;
}

export type Row<Value> =
  | { readonly status: "present"; readonly value: Value }
  | { readonly status: "absent" }
  | { readonly status: "corrupt" };

export interface ClusterBatch {
  readonly revision: number;
  readonly changes: readonly ClusterChange[];
}

export type ClusterChange =
  | { readonly kind: "cluster" | "leader" }
  | { readonly kind: "settled" }
  | {
      readonly kind: "unit";
      readonly name: string;
      readonly entry: Row<{ readonly hash: string; readonly target: TargetState }>;
    }
  | { readonly kind: "body"; readonly hash: string; readonly entry: Row<readonly UnitOption[]> }
  | {
      readonly kind: "machine";
      readonly machineId: string;
      readonly entry: Row<{
        readonly publicIp: string;
        readonly metadata: Readonly<Record<string, string>>;
      }>;
    }
  | {
      readonly kind: "metadata";
      readonly machineId: string;
      readonly key: string;
      readonly entry: Row<{ readonly value: string } | { readonly removed: true }>;
    }
  | {
      readonly kind: "assignment";
      readonly machineId: string;
      readonly unit: string;
      readonly entry: Row<unknown>;
    }
  | {
      readonly kind: "state";
      readonly machineId: string;
      readonly unit: string;
      readonly entry: Row<PublishedState>;
    };

export interface PublishedState {
  readonly hash: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly launched: boolean;
}
