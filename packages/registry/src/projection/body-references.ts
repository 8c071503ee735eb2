import type { Entry } from "../changes.ts";

/** Who refers to a unit file: `unit/<name>` or `assignment/<machine>/<name>`. */
type Referrer = string;

/**
 * Finds unit files that nothing refers to any more.
 *
 * Invariant: while a record that may refer to a unit file cannot be read, nothing is found.
 */
export class BodyReferences {
  /** Mod revision of each readable body. */
  readonly #bodies = new Map<string, number>();
  readonly #referredBy = new Map<Referrer, string>();
  readonly #counts = new Map<string, number>();
  readonly #unreadable = new Set<Referrer>();
  readonly #unused = new Set<string>();

  applyBody(hash: string, entry: Entry<unknown>): void {
    // One that cannot be read stays: somebody may want to look at it.
    if (entry.status === "present") this.#bodies.set(hash, entry.modRevision);
    else this.#bodies.delete(hash);
    this.#review(hash);
  }

  applyReferrer(referrer: Referrer, entry: Entry<{ readonly hash: string }>): void {
    if (entry.status === "corrupt") this.#unreadable.add(referrer);
    else this.#unreadable.delete(referrer);
    const former = this.#referredBy.get(referrer);
    const hash = entry.status === "present" ? entry.value.hash : undefined;
    if (former === hash) return;
    if (former !== undefined) this.#count(former, -1);
    if (hash === undefined) this.#referredBy.delete(referrer);
    else {
      this.#referredBy.set(referrer, hash);
      this.#count(hash, 1);
    }
  }

  /** Up to `limit` bodies to collect, each with the mod revision at which it was unused. */
  unused(limit: number): readonly { readonly hash: string; readonly modRevision: number }[] {
    if (this.#unreadable.size > 0) return [];
    const found: { readonly hash: string; readonly modRevision: number }[] = [];
    for (const hash of this.#unused) {
      if (found.length === limit) break;
      const modRevision = this.#bodies.get(hash);
      if (modRevision !== undefined) found.push({ hash, modRevision });
    }
    return found;
  }

  /** An attempt to collect was made: it is tried again only when the body or a referrer changes. */
  attempted(hash: string): void {
    this.#unused.delete(hash);
  }

  #count(hash: string, by: number): void {
    const count = (this.#counts.get(hash) ?? 0) + by;
    if (count > 0) this.#counts.set(hash, count);
    else this.#counts.delete(hash);
    // Between one and many nothing changes.
    this.#review(hash);
  }

  #review(hash: string): void {
    if (this.#bodies.has(hash) && !this.#counts.has(hash)) this.#unused.add(hash);
    else this.#unused.delete(hash);
  }
}
