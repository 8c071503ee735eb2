import type {
  ClusterGuard,
  LossConfirmations,
  MachineMetadata,
  Registry,
  RestartRequests,
  UnitIntents,
} from "@fleet/registry";

/** The part of the registry the API uses. */
export interface ApiRegistry {
  readonly guard: Pick<ClusterGuard, "frozen" | "verify">;
  readonly intents: Pick<UnitIntents, "read" | "put" | "destroy">;
  readonly metadata: Pick<MachineMetadata, "apply">;
  readonly restarts: Pick<RestartRequests, "create" | "list" | "read" | "cancel">;
  readonly losses: Pick<LossConfirmations, "confirm">;
  readonly followCluster: Registry["followCluster"];
}
