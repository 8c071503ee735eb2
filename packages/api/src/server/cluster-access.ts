import { type Clock, FleetError } from "@fleet/runtime";
import type { ClusterCache } from "../cache/cluster-cache.ts";
import type { ClusterView } from "../cache/cluster-view.ts";
import { message } from "../contract/messages.ts";
import type { ApiRegistry } from "../registry-port.ts";
import { Problem } from "./problem.ts";

export interface ClusterAccessOptions {
  readonly registry: ApiRegistry;
  readonly cache: ClusterCache;
  readonly clock: Clock;
  /** Longest a request may wait for the store, in all. */
  readonly deadlineMs: number;
  /** How long an answer of the store counts as proof that it is there. */
  readonly proofMs: number;
}

/**
 * How requests reach the cluster: nothing is answered while the store is not trusted, nothing waits beyond the
 * deadline, and a listing is never older than the last proof that the store answers.
 */
export class ClusterAccess {
  readonly #options: ClusterAccessOptions;
  #provenAtMs = Number.NEGATIVE_INFINITY;
  #probe: Promise<void> | undefined;

  constructor(options: ClusterAccessOptions) {
    this.#options = options;
  }

  /** Runs one request's work. @throws FleetError `api_deadline` when it takes too long; the frozen error. */
  async within<Value>(work: () => Promise<Value>): Promise<Value> {
    const { registry } = this.#options;
    if (registry.guard.frozen !== undefined) throw registry.guard.frozen;
    return await this.bounded(work);
  }

  /** As `within`, also while the store is not trusted: for the way out of that. */
  async bounded<Value>(work: () => Promise<Value>): Promise<Value> {
    const { clock, deadlineMs } = this.#options;
    let cancel = (): void => {};
    const deadline = new Promise<never>((_, reject) => {
      cancel = clock.after(deadlineMs, () => {
        reject(new FleetError("api_deadline", message.etcdAway, { retryable: true }));
      });
    });
    try {
      return await Promise.race([work(), deadline]);
    } finally {
      cancel();
    }
  }

  /** Intent that came now would be in the way of what machines are about to tell. @throws Problem 503 */
  async refuseWhileReseeding(): Promise<void> {
    const { guard } = this.#options.registry;
    if (!guard.reseeding) return;
    await this.within(() => guard.verify());
    if (guard.reseeding) throw new Problem(503, message.reseeding);
  }

  /** Reads the view once it has reached `revision` (0: any). `read` is synchronous: the view moves on after it. */
  view<Value>(revision: number, read: (view: ClusterView) => Value): Promise<Value> {
    return this.within(async () => {
      const { cache, deadlineMs } = this.#options;
      const release = cache.hold();
      try {
        const [view] = await Promise.all([cache.reached(revision, deadlineMs), this.#prove()]);
        return read(view);
      } finally {
        release();
      }
    });
  }

  /** After a write: lets the cache, if open, catch up, so that the writer's next reading here shows it. */
  async caughtUp(revision: number): Promise<void> {
    const { cache, deadlineMs } = this.#options;
    if (!cache.open) return;
    // The write is done and stays done: a cache that lags is no reason to report a failure.
    await cache.reached(revision, deadlineMs / 2).catch(() => {});
  }

  /** A watch on a store that hangs just stays silent: only an answer proves that the view is not outdated. */
  async #prove(): Promise<void> {
    const { registry, clock, proofMs } = this.#options;
    if (clock.monotonic() - this.#provenAtMs < proofMs) return;
    if (this.#probe === undefined) {
      const sentAtMs = clock.monotonic();
      this.#probe = registry.guard
        .verify()
        .then(() => {
          this.#provenAtMs = sentAtMs;
        })
        .finally(() => {
          this.#probe = undefined;
        });
    }
    await this.#probe;
  }
}
