import {
  type LeaseGrant,
  type LeaseTime,
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreError,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchRequest,
} from "@fleet/registry";

/** A store whose connection the test can break and mend. */
export class BreakableStore implements Store {
  /** Calls fail and carry out nothing. */
  broken = false;
  /** Transactions are carried out but their answers get lost. */
  losesAnswers = false;
  #store: Store;
  #cut = new AbortController();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Ends all watches that are open. */
  cutWatches(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
  }

  /** What answers from now on is another store. */
  switchTo(store: Store): void {
    this.#store = store;
    this.cutWatches();
  }

  break(): void {
    this.broken = true;
    this.cutWatches();
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#call(() => this.#store.range(request));
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    const result = await this.#call(() => this.#store.txn(request));
    if (this.losesAnswers) throw new StoreError("etcd_timeout", "the answer got lost");
    return result;
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchBatch, never> {
    await this.#call(async () => {});
    const cut = this.#cut.signal;
    try {
      return yield* this.#watchUntil(request, AbortSignal.any([signal, cut]));
    } catch (error) {
      if (cut.aborted && !signal.aborted) throw new StoreError("etcd_unavailable", "the watch was cut");
      throw error;
    }
  }

  leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    return this.#call(() => this.#store.leaseGrant(ttlMs));
  }

  leaseKeepAlive(leaseId: string): Promise<void> {
    return this.#call(() => this.#store.leaseKeepAlive(leaseId));
  }

  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    return this.#call(() => this.#store.leaseTimeToLive(leaseId));
  }

  leaseRevoke(leaseId: string): Promise<void> {
    return this.#call(() => this.#store.leaseRevoke(leaseId));
  }

  close(): void {
    this.#store.close();
  }

  async *#watchUntil(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchBatch, never> {
    for await (const batch of this.#store.watch(request, signal)) yield batch;
    throw new StoreError("etcd_failed", "the watch ended");
  }

  async #call<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    if (this.broken) throw new StoreError("etcd_unavailable", "the connection is broken");
    return await call();
  }
}
