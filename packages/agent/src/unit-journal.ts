import type { JournalEntry } from "@fleet/core";
import type { JournalStore } from "./ports.ts";

/**
 * The journal in memory, written through to its store.
 *
 * Invariant: an entry is visible here only once the store holds it, so that nothing is done on the strength
 * of an entry which a crash could take back.
 */
export class UnitJournal {
  readonly #store: JournalStore;
  readonly #entries = new Map<string, JournalEntry>();

  constructor(store: JournalStore) {
    this.#store = store;
  }

  get entries(): ReadonlyMap<string, JournalEntry> {
    return this.#entries;
  }

  async load(): Promise<void> {
    for (const entry of await this.#store.load()) this.#entries.set(entry.unit, entry);
  }

  async put(entry: JournalEntry): Promise<void> {
    await this.#store.put(entry);
    this.#entries.set(entry.unit, entry);
  }

  async remove(unit: string): Promise<void> {
    await this.#store.remove(unit);
    this.#entries.delete(unit);
  }
}
