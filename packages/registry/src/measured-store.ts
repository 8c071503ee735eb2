import { type Clock, type Counter, type Histogram, latencyBuckets, type Metrics } from "@fleet/runtime";
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

type Request = "range" | "txn" | "lease_grant" | "lease_keepalive" | "lease_time_to_live" | "lease_revoke";

/** Any store, with its calls counted and timed. What a call retries by itself is part of that call. */
export class MeasuredStore implements Store {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #duration: Histogram<"operation">;
  readonly #failures: Counter<"operation" | "code">;
  /** Seconds since 1970; undefined: never. */
  #lastAnswer: number | undefined;

  constructor(store: Store, clock: Clock, metrics: Metrics) {
    this.#store = store;
    this.#clock = clock;
    this.#duration = metrics.histogram({
      name: "fleet_registry_request_duration_seconds",
      help: "Time that requests to etcd took, answered or not, by operation.",
      labels: ["operation"],
      buckets: latencyBuckets,
    });
    this.#failures = metrics.counter({
      name: "fleet_registry_request_failures_total",
      help: "Requests to etcd and watches that failed, by operation and error code.",
      labels: ["operation", "code"],
    });
    metrics.gauge(
      {
        name: "fleet_registry_last_answer_timestamp_seconds",
        help: "When etcd last answered a request, since the epoch; missing until it has answered one.",
      },
      () => (this.#lastAnswer === undefined ? [] : [{ value: this.#lastAnswer, labels: {} }]),
    );
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#measured("range", () => this.#store.range(request));
  }

  txn(request: TxnRequest): Promise<TxnResult> {
    return this.#measured("txn", () => this.#store.txn(request));
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchBatch, void> {
    try {
      yield* this.#store.watch(request, signal);
    } catch (error) {
      this.#failed("watch", error);
      throw error;
    }
  }

  leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    return this.#measured("lease_grant", () => this.#store.leaseGrant(ttlMs));
  }

  leaseKeepAlive(leaseId: string): Promise<void> {
    return this.#measured("lease_keepalive", () => this.#store.leaseKeepAlive(leaseId));
  }

  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    return this.#measured("lease_time_to_live", () => this.#store.leaseTimeToLive(leaseId));
  }

  leaseRevoke(leaseId: string): Promise<void> {
    return this.#measured("lease_revoke", () => this.#store.leaseRevoke(leaseId));
  }

  close(): void {
    this.#store.close();
  }

  async #measured<Answer>(operation: Request, call: () => Promise<Answer>): Promise<Answer> {
    const begunMs = this.#clock.monotonic();
    try {
      const answer = await call();
      this.#lastAnswer = this.#clock.now() / 1_000;
      return answer;
    } catch (error) {
      this.#failed(operation, error);
      throw error;
    } finally {
      this.#duration.observe((this.#clock.monotonic() - begunMs) / 1_000, { operation });
    }
  }

  /** Only errors of the store count: a call that its own caller has ended has not failed. */
  #failed(operation: Request | "watch", error: unknown): void {
    if (error instanceof StoreError) this.#failures.add({ operation, code: error.code });
  }
}
