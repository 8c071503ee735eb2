import {
  Backoff,
  type CancelTimer,
  type Clock,
  errorCode,
  errorMessage,
  FleetError,
  type Logger,
  type Random,
  supervise,
} from "@fleet/runtime";
import { message } from "../contract/messages.ts";
import type { ApiRegistry } from "../registry-port.ts";
import { ChangeHistory } from "./change-history.ts";
import { ClusterView } from "./cluster-view.ts";
import { readMissed } from "./missed-changes.ts";
import { merged, type ViewChange } from "./view-change.ts";

export interface ClusterCacheOptions {
  readonly registry: Pick<ApiRegistry, "followCluster" | "replay" | "guard">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How long the cache stays open after its last user. */
  readonly idleMs: number;
}

export interface CacheListener {
  /** The view has moved on by these changes. */
  changed(change: ViewChange): void;
  /** Begun, broken or restored connection, or a view begun anew: look at `connected` and `view`. */
  restarted(): void;
}

interface Waiter {
  readonly revision: number;
  readonly resolve: (view: ClusterView) => void;
}

/**
 * The cluster as followed from the store, for listings and streams.
 *
 * Invariants:
 * - it follows the store only while somebody holds it, and `idleMs` longer: a thousand idle daemons cost etcd
 *   nothing;
 * - `view` is only handed out while connected, and once its first batch has been applied;
 * - a new following begins with an empty view, never with the remains of the one before.
 */
export class ClusterCache {
  readonly #options: ClusterCacheOptions;
  readonly #listeners = new Set<CacheListener>();
  readonly #waiters = new Set<Waiter>();
  #view = new ClusterView();
  readonly #history = new ChangeHistory();
  /** Ends when the history has been extended as far as was asked for, or cannot be. */
  #extending: Promise<void> = Promise.resolve();
  /** What has changed after this revision, or an earlier one, could not be read. */
  #lostThrough = 0;
  #holders = 0;
  #connected = false;
  #complete = false;
  #following: AbortController | undefined;
  #task: Promise<void> = Promise.resolve();
  #cancelIdle: CancelTimer | undefined;
  #closed = false;

  constructor(options: ClusterCacheOptions) {
    this.#options = options;
  }

  /** Whether the store is being followed. */
  get open(): boolean {
    return this.#following !== undefined;
  }

  /** The view, when it is complete and its connection stands. */
  get view(): ClusterView | undefined {
    return this.#connected && this.#complete ? this.#view : undefined;
  }

  /** Keeps the cache open until the returned function is called; calling that twice does nothing. */
  hold(): () => void {
    this.#holders += 1;
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    if (this.#following === undefined && !this.#closed) this.#follow();
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#holders -= 1;
      if (this.#holders === 0 && !this.#closed) {
        this.#cancelIdle = this.#options.clock.after(this.#options.idleMs, () => this.#stop());
      }
    };
  }

  /**
   * Waits until the view is connected and has reached `revision` (0: any). To be called while holding.
   * @throws FleetError `cache_behind` (retryable) when that takes longer than `timeoutMs`.
   */
  reached(revision: number, timeoutMs: number): Promise<ClusterView> {
    const view = this.view;
    if (view !== undefined && view.revision >= revision) return Promise.resolve(view);
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(timeoutMs, () => {
        this.#waiters.delete(waiter);
        reject(new FleetError("cache_behind", message.etcdAway, { retryable: true }));
      });
      const waiter: Waiter = {
        revision,
        resolve: (reachedView) => {
          cancel();
          resolve(reachedView);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /**
   * What has changed after `revision`, of which somebody else may have told already more than the view knows; undefined when
   * that can no longer be told. To be called while holding, with a view there. Never rejects.
   */
  async missed(revision: number, timeoutMs: number): Promise<ViewChange | undefined> {
    if (revision > this.#view.revision) return await this.#ahead(revision);
    if (this.#history.after(revision) === undefined) {
      // One at a time: a thousand that come back at once ask etcd for the same, and the first gets it for all.
      const before = this.#extending;
      this.#extending = before.then(() => this.#extend(revision, timeoutMs));
      await this.#extending;
    }
    return this.view === undefined ? undefined : this.#history.after(revision);
  }

  subscribe(listener: CacheListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Stops following, for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelIdle?.();
    this.#stop();
    await this.#task;
  }

  #follow(): void {
    const { registry, clock, random, logger } = this.#options;
    const following = new AbortController();
    this.#following = following;
    const backoff = new Backoff({ initialMs: 500, maxMs: 10_000 }, random);
    const task = async (signal: AbortSignal): Promise<void> => {
      this.#begin();
      const batches = registry.followCluster(signal, {
        connected: () => {
          if (!signal.aborted) this.#setConnected(true);
        },
        disconnected: (error) => {
          if (signal.aborted) return;
          if (this.#connected) {
            logger.warn("api_cache_stale", { code: errorCode(error), message: errorMessage(error) });
          }
          this.#setConnected(false);
        },
      });
      for await (const batch of batches) {
        if (signal.aborted) return;
        const wasComplete = this.#complete;
        // Revisions begin anew where the store was seeded anew.
        const goesOn = wasComplete && batch.revision >= this.#view.revision;
        const change = this.#view.apply(batch);
        this.#complete = true;
        if (goesOn) this.#history.add(change, batch);
        else this.#history.begin(batch);
        this.#settle();
        for (const listener of this.#listeners) {
          if (wasComplete) listener.changed(change);
          else listener.restarted();
        }
      }
    };
    // One following ends before the next begins, so that two never write the same view.
    this.#task = this.#task.then(() =>
      supervise({ name: "api_cache", task, clock, backoff, logger }, following.signal),
    );
  }

  #stop(): void {
    this.#following?.abort();
    this.#following = undefined;
    this.#begin();
  }

  #begin(): void {
    this.#view = new ClusterView();
    this.#lostThrough = 0;
    this.#complete = false;
    this.#setConnected(false);
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#settle();
    for (const listener of this.#listeners) listener.restarted();
  }

  /** Nothing, unless the store has never been there: then it is another one, or has been rolled back. */
  async #ahead(revision: number): Promise<ViewChange | undefined> {
    const { guard } = this.#options.registry;
    await guard.verify().catch(() => {});
    return revision > guard.revision ? undefined : merged([]);
  }

  async #extend(revision: number, timeoutMs: number): Promise<void> {
    if (this.#history.after(revision) !== undefined || revision <= this.#lostThrough) return;
    const view = this.#view;
    const { registry, clock } = this.#options;
    const missed = await readMissed({ registry, clock, history: this.#history, timeoutMs }, revision);
    // What was read may be ahead of the view, where a row that has just come is one that is not there.
    const seen = missed !== undefined && (await this.#sees(merged(missed).revision, timeoutMs));
    if (view !== this.#view) return;
    if (seen) this.#history.extend(revision, missed);
    else this.#lostThrough = revision;
  }

  #sees(revision: number, timeoutMs: number): Promise<boolean> {
    return this.reached(revision, timeoutMs).then(
      () => true,
      () => false,
    );
  }

  #settle(): void {
    const view = this.view;
    if (view === undefined) return;
    for (const waiter of this.#waiters) {
      if (view.revision < waiter.revision) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(view);
    }
  }
}
