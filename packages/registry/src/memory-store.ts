import { AbortedError } from "@fleet/runtime";
import type { MemoryEtcd } from "./memory-etcd.ts";
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
} from "./store.ts";

/**
 * One client of a `MemoryEtcd`. Answers come in a later microtask, never in a timer, so that under a simulated clock
 * nothing depends on real time. Failures are injected by wrapping it.
 */
export class MemoryStore implements Store {
  readonly #etcd: MemoryEtcd;
  readonly #closed = new AbortController();

  constructor(etcd: MemoryEtcd) {
    this.#etcd = etcd;
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    await this.#open();
    return this.#etcd.range(request);
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    await this.#open();
    return this.#etcd.txn(request);
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchBatch, never> {
    let fromRevision = request.fromRevision;
    for (;;) {
      await this.#open();
      if (signal.aborted) throw new AbortedError(signal.reason);
      const { batches, scannedTo } = this.#etcd.eventsSince(request, fromRevision);
      fromRevision = scannedTo + 1;
      for (const batch of batches) {
        yield batch;
        await this.#open();
        if (signal.aborted) throw new AbortedError(signal.reason);
      }
      if (this.#etcd.revision < fromRevision) await this.#nextRevision(signal);
    }
  }

  async leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    await this.#open();
    return this.#etcd.leaseGrant(ttlMs);
  }

  async leaseKeepAlive(leaseId: string): Promise<void> {
    await this.#open();
    this.#etcd.leaseKeepAlive(leaseId);
  }

  async leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    await this.#open();
    return this.#etcd.leaseTimeToLive(leaseId);
  }

  async leaseRevoke(leaseId: string): Promise<void> {
    await this.#open();
    this.#etcd.leaseRevoke(leaseId);
  }

  close(): void {
    this.#closed.abort();
  }

  /** Makes the call asynchronous, as over a network, and fails it on a closed client. */
  async #open(): Promise<void> {
    await Promise.resolve();
    if (this.#closed.signal.aborted) throw new StoreError("etcd_unavailable", "the client was closed");
  }

  #nextRevision(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        stopListening();
        signal.removeEventListener("abort", wake);
        this.#closed.signal.removeEventListener("abort", wake);
        resolve();
      };
      const stopListening = this.#etcd.onRevision(wake);
      signal.addEventListener("abort", wake, { once: true });
      this.#closed.signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted || this.#closed.signal.aborted) wake();
    });
  }
}
