import type {
  Backup,
  ClusterGuard,
  LossConfirmations,
  MachineMetadata,
  Registry,
  Reseeding,
  RestartRequests,
  UnitIntents,
} from "@fleet/registry";

/** The part of the registry the API uses. */
export interface ApiRegistry {
  readonly guard: Pick<ClusterGuard, "frozen" | "verify" | "clusterId" | "epoch" | "revision" | "reseeding">;
  readonly intents: Pick<UnitIntents, "read" | "put" | "destroy">;
  readonly metadata: Pick<MachineMetadata, "apply">;
  readonly backup: Pick<Backup, "parts">;
  readonly reseeding: Pick<Reseeding, "found" | "begin" | "progress" | "finish">;
  readonly restarts: Pick<RestartRequests, "create" | "list" | "read" | "cancel">;
  readonly losses: Pick<LossConfirmations, "confirm">;
  readonly followCluster: Registry["followCluster"];
  readonly replay: Registry["replay"];
}
