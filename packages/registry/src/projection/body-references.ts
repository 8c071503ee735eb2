import { type ClusterModel, Tally, unreadable } from "@fleet/core";
import type { Entry } from "../changes.ts";

/** A record that refers to a unit file. */
interface Reference {
  readonly hash: string;
}

/**
 * Finds unit files that nothing refers to any more: no unit, and no assignment.
 *
 * Invariants:
 * - while a record that may refer to a unit file cannot be read, nothing is found;
 * - `#candidates` has every readable body that nothing refers to, unless an attempt to collect it was made.
 */
export class BodyReferences {
  readonly #model: ClusterModel;
  /** Mod revision of each readable body. */
  readonly #bodies = new Map<string, number>();
  /** Unit → hash of its file, `unreadable` where which one it is cannot be read. */
  readonly #units = new Map<string, string>();
  readonly #unitsOf = new Tally();
  /** Something of them has changed that may have been the last reference. */
  readonly #candidates = new Set<string>();

  constructor(model: ClusterModel) {
    this.#model = model;
  }

  applyBody(hash: string, entry: Entry<unknown>): void {
    // One that cannot be read stays: somebody may want to look at it.
    if (entry.status === "present") this.#bodies.set(hash, entry.modRevision);
    else this.#bodies.delete(hash);
    this.released(hash);
  }

  applyUnit(unit: string, entry: Entry<Reference>): void {
    const former = this.#units.get(unit);
    const hash =
      entry.status === "present" ? entry.value.hash : entry.status === "corrupt" ? unreadable : undefined;
    if (former === hash) return;
    if (hash === undefined) this.#units.delete(unit);
    else {
      this.#units.set(unit, hash);
      this.#unitsOf.add(hash);
    }
    if (former === undefined) return;
    this.#unitsOf.remove(former);
    this.released(former);
  }

  /** Something that referred to the file may do so no more. */
  released(hash: string): void {
    this.#candidates.add(hash);
  }

  /** Up to `limit` bodies to collect, each with the mod revision at which it was unused. */
  unused(limit: number): readonly { readonly hash: string; readonly modRevision: number }[] {
    if (this.#unitsOf.has(unreadable) || this.#model.hasUnreadableAssignment) return [];
    const found: { readonly hash: string; readonly modRevision: number }[] = [];
    for (const hash of this.#candidates) {
      if (found.length === limit) break;
      const modRevision = this.#bodies.get(hash);
      if (modRevision === undefined || this.#unitsOf.has(hash) || this.#model.isFileOrdered(hash)) {
        this.#candidates.delete(hash);
      } else found.push({ hash, modRevision });
    }
    return found;
  }

  /** An attempt to collect was made: it is tried again only when the body or a referrer changes. */
  attempted(hash: string): void {
    this.#candidates.delete(hash);
  }
}
