import type { ChangeBatch } from "@fleet/registry";
import type { Clock } from "@fleet/runtime";
import type { ApiRegistry } from "../registry-port.ts";
import { ChangeHistory } from "./change-history.ts";
import { ClusterView } from "./cluster-view.ts";
import { FollowedCache, type FollowedCacheOptions } from "./followed-cache.ts";
import { readMissed } from "./missed-changes.ts";
import { merged, type ViewChange } from "./view-change.ts";

export interface ClusterCacheOptions extends Omit<FollowedCacheOptions<ClusterView>, "begin"> {
  readonly registry: Pick<ApiRegistry, "followCluster" | "replay" | "guard">;
}

/** The cluster as the API shows it, for listings and streams, and what of it has changed lately. */
export class ClusterCache extends FollowedCache<ClusterView, ViewChange> {
  readonly #registry: ClusterCacheOptions["registry"];
  readonly #clock: Clock;
  readonly #history = new ChangeHistory();
  /** Ends when the history has been extended as far as was asked for, or cannot be. */
  #extending: Promise<void> = Promise.resolve();
  /** What has changed after this revision, or an earlier one, could not be read into the history of this view. */
  #lost: { readonly view: ClusterView; readonly through: number } | undefined;

  constructor(options: ClusterCacheOptions) {
    super({ ...options, begin: () => new ClusterView() });
    this.#registry = options.registry;
    this.#clock = options.clock;
  }

  /**
   * What has changed after `revision`, of which somebody else may have told already more than the view knows; undefined when
   * that can no longer be told. To be called while holding, with a view there. Never rejects.
   */
  async missed(revision: number, timeoutMs: number): Promise<ViewChange | undefined> {
    if (revision > this.current.revision) return await this.#ahead(revision);
    if (this.#history.after(revision) === undefined) {
      // One at a time: a thousand that come back at once ask etcd for the same, and the first gets it for all.
      const before = this.#extending;
      this.#extending = before.then(() => this.#extend(revision, timeoutMs));
      await this.#extending;
    }
    return this.view === undefined ? undefined : this.#history.after(revision);
  }

  protected override applied(batch: ChangeBatch, change: ViewChange | undefined): void {
    if (change === undefined) this.#history.begin(batch);
    else this.#history.add(change, batch);
  }

  /** Nothing, unless the store has never been there: then it is another one, or has been rolled back. */
  async #ahead(revision: number): Promise<ViewChange | undefined> {
    const { guard } = this.#registry;
    await guard.verify().catch(() => {});
    return revision > guard.revision ? undefined : merged([]);
  }

  async #extend(revision: number, timeoutMs: number): Promise<void> {
    const view = this.current;
    if (this.#history.after(revision) !== undefined) return;
    if (this.#lost?.view === view && revision <= this.#lost.through) return;
    const reading = { registry: this.#registry, clock: this.#clock, history: this.#history, timeoutMs };
    const missed = await readMissed(reading, revision);
    // What was read may be ahead of the view, where a row that has just come is one that is not there.
    const seen = missed !== undefined && (await this.#sees(merged(missed).revision, timeoutMs));
    if (view !== this.current) return;
    if (seen) this.#history.extend(revision, missed);
    else this.#lost = { view, through: revision };
  }

  #sees(revision: number, timeoutMs: number): Promise<boolean> {
    return this.reached(revision, timeoutMs).then(
      () => true,
      () => false,
    );
  }
}
