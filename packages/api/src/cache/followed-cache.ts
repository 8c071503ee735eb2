import type { ChangeBatch } from "@fleet/registry";
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
import { applyPaced, type Followed } from "./followed.ts";

export interface FollowedCacheOptions<View> {
  /** What the store's content is made into, empty. */
  readonly begin: () => View;
  readonly registry: Pick<ApiRegistry, "followCluster">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How long the cache stays open after its last user. */
  readonly idleMs: number;
}

export interface CacheListener<Change> {
  /** The view has moved on by these changes. */
  changed(change: Change): void;
  /** Begun, broken or restored connection, or a view begun anew: look at `connected` and `view`. */
  restarted(): void;
}

interface Waiter<View> {
  readonly revision: number;
  readonly resolve: (view: View) => void;
}

/**
 * The cluster as followed from the store: for listings and streams as the API shows it, for explanations as the engine has
 * it.
 *
 * Invariants:
 * - it follows the store only while somebody holds it, and `idleMs` longer: a thousand idle daemons cost etcd
 *   nothing;
 * - `view` is only handed out while connected, and once its first batch has been applied;
 * - a new following begins with an empty view, never with the remains of the one before;
 * - who reads it in turn has it unchanged for as long as that takes.
 */
export class FollowedCache<View extends Followed<Change>, Change> {
  readonly #options: FollowedCacheOptions<View>;
  readonly #listeners = new Set<CacheListener<Change>>();
  readonly #waiters = new Set<Waiter<View>>();
  #view: View;
  /** Settles when nobody reads or changes the view any more. */
  #turn: Promise<unknown> = Promise.resolve();
  #holders = 0;
  #connected = false;
  #complete = false;
  #following: AbortController | undefined;
  #task: Promise<void> = Promise.resolve();
  #cancelIdle: CancelTimer | undefined;
  #closed = false;

  constructor(options: FollowedCacheOptions<View>) {
    this.#options = options;
    this.#view = options.begin();
  }

  /** Whether the store is being followed. */
  get open(): boolean {
    return this.#following !== undefined;
  }

  /** The view, when it is complete and its connection stands. */
  get view(): View | undefined {
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
  reached(revision: number, timeoutMs: number): Promise<View> {
    const view = this.view;
    if (view !== undefined && view.revision >= revision) return Promise.resolve(view);
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(timeoutMs, () => {
        this.#waiters.delete(waiter);
        reject(new FleetError("cache_behind", message.etcdAway, { retryable: true }));
      });
      const waiter: Waiter<View> = {
        revision,
        resolve: (reachedView) => {
          cancel();
          resolve(reachedView);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** Runs work that takes several turns of the process on a view that does not change meanwhile, one after the other. */
  inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  subscribe(listener: CacheListener<Change>): () => void {
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

  /** The view, complete and connected or not; another one when the following begins anew. */
  protected get current(): View {
    return this.#view;
  }

  /** A batch is in the view, and nobody has been told yet. `change`: what it changed; undefined: begin with the view as it is. */
  protected applied(_batch: ChangeBatch, _change: Change | undefined): void {}

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
        await this.inTurn(() => this.#apply(batch, signal));
      }
    };
    // One following ends before the next begins, so that two never write the same view.
    this.#task = this.#task.then(() =>
      supervise({ name: "api_cache", task, clock, backoff, logger }, following.signal),
    );
  }

  async #apply(batch: ChangeBatch, signal: AbortSignal): Promise<void> {
    // Its turn may come after the end of the following, when the view is another one already.
    if (signal.aborted) return;
    const wasComplete = this.#complete;
    // Nobody sees a view that is not complete.
    if (!wasComplete) await applyPaced(this.#view, batch, this.#options.clock, signal);
    // Revisions begin anew where the store was seeded anew.
    const goesOn = wasComplete && batch.revision >= this.#view.revision;
    const change = wasComplete ? this.#view.apply(batch) : undefined;
    this.#complete = true;
    this.applied(batch, goesOn ? change : undefined);
    this.#settle();
    for (const listener of this.#listeners) {
      if (change !== undefined) listener.changed(change);
      else listener.restarted();
    }
  }

  #stop(): void {
    this.#following?.abort();
    this.#following = undefined;
    this.#begin();
  }

  #begin(): void {
    this.#view = this.#options.begin();
    this.#complete = false;
    this.#setConnected(false);
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#settle();
    for (const listener of this.#listeners) listener.restarted();
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
