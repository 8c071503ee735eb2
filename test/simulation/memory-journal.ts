import type { JournalStore } from "@fleet/agent";
import type { JournalEntry } from "@fleet/core";

/** What tmpfs keeps of a journal while fleetd processes come and go. */
export class MemoryJournal {
  readonly entries = new Map<string, JournalEntry>();

  /** One process's handle: after `kill` it changes nothing any more. */
  open(): JournalStore & { kill(): void } {
    const { entries } = this;
    let dead = false;
    const write = async (change: () => void): Promise<void> => {
      await Promise.resolve();
      if (dead) await new Promise<never>(() => {});
      change();
    };
    return {
      load: async () => [...entries.values()],
      put: (entry) => write(() => entries.set(entry.unit, entry)),
      remove: (unit) => write(() => entries.delete(unit)),
      kill: () => {
        dead = true;
      },
    };
  }
}
