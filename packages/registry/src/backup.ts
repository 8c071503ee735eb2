import type { TargetState } from "@fleet/core";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { bodyCodec, clusterCodec, metadataCodec, unitCodec } from "./records.ts";
import { readPages } from "./snapshot.ts";
import type { KeyValue } from "./store.ts";

/** A piece of everything that users want of a cluster; all pieces are of one revision. */
export type BackupPart =
  | {
      readonly kind: "cluster";
      readonly id: string;
      readonly epoch: number;
      readonly format: number;
      readonly revision: number;
    }
  | { readonly kind: "file"; readonly hash: string; readonly text: string }
  | { readonly kind: "unit"; readonly name: string; readonly hash: string; readonly target: TargetState }
  | {
      readonly kind: "metadata";
      readonly machineId: string;
      readonly key: string;
      /** Undefined: a tombstone over a configured key. */
      readonly value: string | undefined;
    }
  | { readonly kind: "unreadable"; readonly key: string };

/** Reads all that is intent: what engines and agents make of it, and what they say, comes back by itself. */
export class Backup {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;

  constructor(guard: ClusterGuard, keys: Keyspace) {
    this.#guard = guard;
    this.#keys = keys;
  }

  /**
   * The cluster first, then files, units and metadata, page by page, so that no more than two pages are in memory. Rejects
   * with StoreError, `etcd_compacted` when it was read too slowly, or the frozen error.
   */
  async *parts(): AsyncGenerator<BackupPart, void> {
    const guard = this.#guard;
    const { rows, revision } = await guard.range({ from: this.#keys.cluster() });
    const cluster = rows[0] === undefined ? undefined : clusterCodec.decode(rows[0].value);
    if (cluster?.ok === true) {
      const { id, epoch = 1, format } = cluster.value;
      yield { kind: "cluster", id, epoch, format, revision };
    } else {
      await guard.verify();
    }
    for (const range of [this.#keys.bodies(), this.#keys.units(), this.#keys.allMetadata()]) {
      for await (const page of readPages(guard, range, revision)) {
        for (const row of page.rows) yield this.#part(row);
      }
    }
  }

  #part({ key, value }: KeyValue): BackupPart {
    const unreadable = { kind: "unreadable", key } as const;
    const subject = this.#keys.parse(key);
    switch (subject?.kind) {
      case "body": {
        const body = bodyCodec.decode(value);
        return body.ok ? { kind: "file", hash: subject.hash, text: body.value.text } : unreadable;
      }
      case "unit": {
        const unit = unitCodec.decode(value);
        if (!unit.ok) return unreadable;
        return { kind: "unit", name: subject.name, hash: unit.value.hash, target: unit.value.target };
      }
      case "metadata": {
        const record = metadataCodec.decode(value);
        if (!record.ok) return unreadable;
        const { machineId, key: name } = subject;
        const text = "value" in record.value ? record.value.value : undefined;
        return { kind: "metadata", machineId, key: name, value: text };
      }
      default:
        return unreadable;
    }
  }
}
