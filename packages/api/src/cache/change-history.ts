import type { ChangeBatch } from "@fleet/registry";
import { merged, sizeOf, type ViewChange } from "./view-change.ts";

/** Names and keys that are remembered, of all changes together. */
const mostKeys = 50_000;

/**
 * What has changed lately, to tell who comes back what was missed.
 *
 * Invariants:
 * - every change after `#floor` is in `#changes`; nothing is said about what came before;
 * - it has at most `mostKeys` keys, but for the latest change, or it is what an extension has brought.
 */
export class ChangeHistory {
  #changes: ViewChange[] = [];
  #size = 0;
  /** Undefined before it has begun. */
  #floor: number | undefined;
  #latestPut = 0;

  /** A view as of a revision: everything after it will be added. */
  begin(batch: ChangeBatch): void {
    this.#changes = [];
    this.#size = 0;
    this.#floor = batch.revision;
    this.#latestPut = latestPut(batch);
  }

  add(change: ViewChange, batch: ChangeBatch): void {
    this.#changes.push(change);
    this.#size += sizeOf(change);
    this.#latestPut = Math.max(this.#latestPut, latestPut(batch));
    while (this.#size > mostKeys && this.#changes.length > 1) this.#dropOldest();
  }

  /** What has changed after the revision; undefined when that is not known. */
  after(revision: number): ViewChange | undefined {
    if (this.#floor === undefined || revision < this.#floor) return undefined;
    return merged(this.#changes.filter((change) => change.revision > revision));
  }

  /**
   * A revision at which something was written, and from which on everything is known: who reads changes up to it has read
   * enough to extend the history. Undefined while there is none: etcd tells no end of what it replays.
   */
  get joint(): number | undefined {
    return this.#floor !== undefined && this.#latestPut >= this.#floor ? this.#latestPut : undefined;
  }

  /** `changes`: all between the revision and what the history knows; some of what it knows may be among them. */
  extend(revision: number, changes: readonly ViewChange[]): void {
    if (this.#floor === undefined || revision >= this.#floor) return;
    this.#changes = [...changes, ...this.#changes];
    for (const change of changes) this.#size += sizeOf(change);
    this.#floor = revision;
  }

  #dropOldest(): void {
    const oldest = this.#changes.shift();
    if (oldest === undefined || this.#floor === undefined) return;
    this.#size -= sizeOf(oldest);
    this.#floor = Math.max(this.#floor, oldest.revision);
  }
}

/** What was deleted may be told of under a later revision than its own. */
function latestPut({ changes }: ChangeBatch): number {
  let latest = 0;
  for (const { entry } of changes) {
    if (entry.status !== "absent" && entry.modRevision > latest) latest = entry.modRevision;
  }
  return latest;
}
