import type { ChangeBatch } from "./changes.ts";
import type { ClusterGuard } from "./cluster-guard.ts";
import { decodeChange } from "./decode-change.ts";
import type { Keyspace } from "./keyspace.ts";
import type { Store } from "./store.ts";

export interface ReplayOptions {
  readonly store: Store;
  readonly guard: ClusterGuard;
  readonly keys: Keyspace;
}

/**
 * Every change of the cluster from `fromRevision` on, one by one as etcd still has them, then those that come. A key that
 * changed several times is told of as often. Ends only by throwing: StoreError `etcd_compacted` when etcd has forgotten
 * some of it, others when the connection breaks, the frozen error, AbortedError.
 */
export async function* replay(
  { store, guard, keys }: ReplayOptions,
  fromRevision: number,
  signal: AbortSignal,
): AsyncGenerator<ChangeBatch, void> {
  await guard.verify();
  const connected = AbortSignal.any([signal, guard.epochOver]);
  for await (const { revision, events } of store.watch({ ...keys.all(), fromRevision }, connected)) {
    const changes = events.flatMap((event) => decodeChange(keys, event) ?? []);
    yield { revision, changes };
  }
}
