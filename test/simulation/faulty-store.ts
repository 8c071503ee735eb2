import { setMaxListeners } from "node:events";
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
import { AbortedError, type Clock, type Random, sleep } from "@fleet/runtime";

/** How long a call into the void takes to fail. */
const deadlineMs = 1000;

/** How much later than its deadline a delayed write may arrive. */
const maxDelayMs = 8000;

/**
 * One process's way to the store, with a network in between that can fail.
 *
 * Faults: `cut` (nothing gets through in either direction), `loseReplies` (a share of the writes is carried out
 * but reported as failed), `delayWrites` (a share of the transactions is reported as failed and arrives later, even
 * after the process is gone), `kill` (the process is gone: whatever it still tries has no effect).
 */
export class FaultyStore implements Store {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #dead = new AbortController();
  #cut = new AbortController();
  #isCut = false;
  #lostReplyShare = 0;
  #delayedShare = 0;

  constructor(store: Store, clock: Clock, random: Random) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
    // One listener per call under way.
    setMaxListeners(0, this.#dead.signal);
  }

  cut(): void {
    this.#isCut = true;
    this.#cut.abort();
  }

  heal(): void {
    this.#isCut = false;
    this.#cut = new AbortController();
  }

  loseReplies(share: number): void {
    this.#lostReplyShare = share;
  }

  delayWrites(share: number): void {
    this.#delayedShare = share;
  }

  kill(): void {
    this.#dead.abort();
    this.#cut.abort();
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#call(() => this.#store.range(request), false);
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    if (!this.#isCut && this.#random() < this.#delayedShare) {
      const arrivesAfterMs = deadlineMs + this.#random() * maxDelayMs;
      this.#clock.after(arrivesAfterMs, () => void this.#store.txn(request).catch(() => {}));
      await sleep(this.#clock, deadlineMs, this.#dead.signal).catch(() => new Promise<never>(() => {}));
      throw new StoreError("etcd_timeout", "simulated: still on its way");
    }
    return this.#call(() => this.#store.txn(request), true);
  }

  leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    return this.#call(() => this.#store.leaseGrant(ttlMs), true);
  }

  leaseKeepAlive(leaseId: string): Promise<void> {
    return this.#call(() => this.#store.leaseKeepAlive(leaseId), true);
  }

  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    return this.#call(() => this.#store.leaseTimeToLive(leaseId), false);
  }

  leaseRevoke(leaseId: string): Promise<void> {
    return this.#call(() => this.#store.leaseRevoke(leaseId), true);
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchBatch> {
    await this.#reach();
    const cut = this.#cut.signal;
    try {
      for await (const batch of this.#store.watch(request, AbortSignal.any([signal, cut]))) yield batch;
    } catch (error) {
      if (signal.aborted || !cut.aborted) throw error;
      throw new StoreError("etcd_unavailable", "simulated: connection lost", error);
    }
  }

  close(): void {
    this.#store.close();
  }

  async #call<Result>(call: () => Promise<Result>, ambiguous: boolean): Promise<Result> {
    await this.#reach();
    await this.#travel();
    await this.#reach();
    const result = await call();
    await this.#travel();
    await this.#reach();
    if (ambiguous && this.#random() < this.#lostReplyShare) {
      throw new StoreError("etcd_timeout", "simulated: carried out, reply lost");
    }
    return result;
  }

  /** Messages take their time, and not all the same. */
  async #travel(): Promise<void> {
    await sleep(this.#clock, 1 + this.#random() * 4, this.#dead.signal).catch(() => {});
  }

  async #reach(): Promise<void> {
    // A dead process never hears an answer: its promises stay open and are collected with it.
    if (this.#dead.signal.aborted) await new Promise<never>(() => {});
    if (!this.#isCut) return;
    await sleep(this.#clock, deadlineMs, this.#dead.signal).catch((error: unknown) => {
      if (error instanceof AbortedError) return new Promise<never>(() => {});
      throw error;
    });
    throw new StoreError("etcd_timeout", "simulated: no way to the store");
  }
}
