import { type Store, StoreError, type TxnRequest, type TxnResult } from "@fleet/registry";

/** The way of the user's requests to the store: at times a transaction is carried out, and nobody hears of it. */
export function withLostReplies(store: Store, isLost: () => boolean): Store {
  return {
    range: (request) => store.range(request),
    txn: async (request: TxnRequest): Promise<TxnResult> => {
      const result = await store.txn(request);
      if (isLost()) throw new StoreError("etcd_timeout", "simulated: carried out, reply to the user lost");
      return result;
    },
    watch: (request, signal) => store.watch(request, signal),
    leaseGrant: (ttlMs) => store.leaseGrant(ttlMs),
    leaseKeepAlive: (leaseId) => store.leaseKeepAlive(leaseId),
    leaseTimeToLive: (leaseId) => store.leaseTimeToLive(leaseId),
    leaseRevoke: (leaseId) => store.leaseRevoke(leaseId),
    close: () => store.close(),
  };
}

/** The request failed, and may have been carried out all the same. */
export function isAmbiguous(error: unknown): boolean {
  return error instanceof StoreError && error.retryable;
}
