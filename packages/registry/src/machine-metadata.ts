import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { operationBatches } from "./operation-batches.ts";
import { metadataCodec } from "./records.ts";
import { type Operation, StoreError } from "./store.ts";

/** One key of one machine's metadata. */
export interface MetadataChange {
  readonly machineId: string;
  readonly key: string;
  /** Undefined: the machine is to have no such key, not even a configured one. */
  readonly value: string | undefined;
}

/** With the rest of its transaction still below the 1.5 MiB that etcd takes in one request. */
const maxRecordBytes = 1024 * 1024;

/**
 * Metadata set through the API: the only writer of `metadata/`. It lies over what the machine has configured, and
 * hangs on no lease: it is there before the machine comes and after it has left.
 */
export class MachineMetadata {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;

  constructor(guard: ClusterGuard, keys: Keyspace) {
    this.#guard = guard;
    this.#keys = keys;
  }

  /**
   * Carries out all changes; of several for one key the last counts. They are one transaction as long as they fit into
   * one, else several in order, of which a failure may leave the later ones undone: doing all again is harmless.
   * Resolves with the revision at which all are in the store; undefined when there was nothing to change.
   */
  async apply(changes: readonly MetadataChange[]): Promise<number | undefined> {
    // etcd refuses a key that is written twice in one transaction.
    const operations = new Map<string, Operation>();
    for (const { machineId, key: name, value } of changes) {
      const key = this.#keys.metadata(machineId, name);
      const record = metadataCodec.encode(value === undefined ? { removed: true } : { value });
      // Refused before anything is written, and not by etcd in the middle of it.
      if (Buffer.byteLength(key) + Buffer.byteLength(record) > maxRecordBytes) {
        throw new StoreError("etcd_too_large", "metadata of a machine is too large");
      }
      operations.set(key, { op: "put", key, value: record });
    }
    let revision: number | undefined;
    for (const success of operationBatches(operations.values())) {
      // Nothing but the cluster is compared, and a cluster that differs makes the guard throw.
      revision = (await this.#guard.txn({ compares: [], success })).revision;
    }
    return revision;
  }
}
