import type { ClusterGuard, MachineMetadata, Registry, UnitIntents } from "@fleet/registry";

/** The part of the registry the API uses. */
export interface ApiRegistry {
  readonly guard: Pick<ClusterGuard, "frozen" | "verify">;
  readonly intents: Pick<UnitIntents, "read" | "put" | "destroy">;
  readonly metadata: Pick<MachineMetadata, "apply">;
  readonly followCluster: Registry["followCluster"];
}
