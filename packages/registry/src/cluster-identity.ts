import { FleetError } from "@fleet/runtime";
import { clusterCodec, readableFormats } from "./records.ts";
import type { KeyValue } from "./store.ts";

/** What a machine remembers of the cluster it belongs to. */
export interface RememberedCluster {
  readonly id: string;
  /** How often its store was seeded anew, counted from 1. */
  readonly epoch: number;
  /** Create revision of the `cluster` key. */
  readonly createRevision: number;
  /** Highest store revision seen: a store that answers with a lower one has been rolled back. */
  readonly revision: number;
  /** Its store was seeded anew, and this machine has not told it yet what it runs. */
  readonly owesUnits?: boolean;
}

/** What was known when a request was sent: its answer must not be older. */
export interface Floor {
  readonly epoch: number;
  readonly revision: number;
}

/** What the store showed of itself. */
export interface Look {
  /** The `cluster` key. */
  readonly row: KeyValue | undefined;
  /** Whether anything at all is below the prefix. */
  readonly occupied: boolean;
  readonly revision: number;
  readonly floor: Floor;
}

type Identity = Omit<RememberedCluster, "owesUnits"> & { readonly reseeding: boolean };

/** The identity that the store shows, which may be of a new epoch, or why it is not this cluster's. */
export function judge(
  look: Look,
  remembered: RememberedCluster | undefined,
  formats: readonly number[] = readableFormats,
): Identity | FleetError {
  const { row, revision, floor } = look;
  if (row === undefined) return missing(look, remembered);
  const record = clusterCodec.decode(row.value);
  if (!record.ok) {
    return new FleetError("cluster_format", `the cluster record cannot be read: ${record.problem}`);
  }
  const { id, format, epoch = 1, reseeding = false } = record.value;
  const { createRevision } = row;
  if (remembered !== undefined && id !== remembered.id) {
    return foreign(`etcd holds cluster ${id}, this machine belongs to ${remembered.id}`);
  }
  if (remembered !== undefined && epoch < remembered.epoch) {
    return new FleetError(
      "cluster_rolled_back",
      `etcd holds epoch ${epoch} of the cluster and has held epoch ${remembered.epoch}: it was restored from an older state`,
    );
  }
  const isSameEpoch = epoch === remembered?.epoch;
  if (isSameEpoch && createRevision !== remembered.createRevision) {
    return foreign(`etcd holds a copy of cluster ${id}, not the one that this machine belongs to`);
  }
  if (isSameEpoch && epoch === floor.epoch && revision < floor.revision) {
    return rolledBack(revision, floor.revision);
  }
  if (!formats.includes(format)) {
    return new FleetError(
      "cluster_format",
      `the cluster has data format ${format}, this fleetd does not read it`,
    );
  }
  return { id, epoch, createRevision, revision, reseeding };
}

function foreign(message: string): FleetError {
  return new FleetError("cluster_foreign", message);
}

export function reseeded(epoch: number): FleetError {
  return new FleetError("cluster_reseeded", `etcd was seeded anew (epoch ${epoch}): taking it up`, {
    retryable: true,
  });
}

function missing({ occupied }: Look, remembered: RememberedCluster | undefined): FleetError {
  if (remembered !== undefined) {
    return new FleetError(
      "cluster_missing",
      `etcd no longer knows cluster ${remembered.id}: it was wiped, or this is another store`,
    );
  }
  return occupied
    ? new FleetError("cluster_missing", "there is data below the etcd prefix but no cluster record")
    : new FleetError("cluster_missing", "there is no fleet cluster below the etcd prefix");
}

export function rolledBack(revision: number, seen: number): FleetError {
  return new FleetError(
    "cluster_rolled_back",
    `etcd is at revision ${revision} but has been at ${seen}: it was restored from an older state`,
  );
}
