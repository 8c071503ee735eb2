import type { JournalStore } from "@fleet/agent";
import type { JournalEntry } from "@fleet/core";
import type { Clock } from "@fleet/runtime";

/** More writes than this at one instant are no work but a loop that never ends. */
const writesAtOneInstant = 1000;

/** What tmpfs keeps of a journal while fleetd processes come and go. */
export class MemoryJournal {
  readonly entries = new Map<string, JournalEntry>();
  /** When which restart of which unit was about to be asked for. */
  readonly restarts: { readonly at: number; readonly unit: string; readonly number: number }[] = [];
  readonly #clock: Clock;
  #instant = 0;
  #writes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An agent turns round without time passing. Its writes hang from then on: nothing else could end it. */
  get runaway(): boolean {
    return this.#writes > writesAtOneInstant;
  }

  /** One process's handle: after `kill` it changes nothing any more. `running` holds up a stopped process. */
  open(running: () => Promise<void> = () => Promise.resolve()): JournalStore & { kill(): void } {
    const { entries } = this;
    let dead = false;
    const write = async (change: () => void): Promise<void> => {
      await running();
      this.#count();
      if (dead || this.runaway) await new Promise<never>(() => {});
      change();
    };
    return {
      load: async () => [...entries.values()],
      put: (entry) =>
        write(() => {
          entries.set(entry.unit, entry);
          const { unit, restarting } = entry;
          if (restarting === undefined) return;
          this.restarts.push({ at: this.#clock.monotonic(), unit, number: restarting.number });
        }),
      remove: (unit) => write(() => entries.delete(unit)),
      kill: () => {
        dead = true;
      },
    };
  }

  #count(): void {
    if (this.#clock.monotonic() !== this.#instant) this.#writes = 0;
    this.#instant = this.#clock.monotonic();
    this.#writes += 1;
  }
}
