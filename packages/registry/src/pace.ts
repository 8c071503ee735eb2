import { type Clock, sleep } from "@fleet/runtime";

/** Together with what the libraries do in the same turn, well below the 50 ms that nothing may take from the rest. */
const turnMs = 15;

/**
 * Keeps long work from blocking the process, which has leases to renew meanwhile: the work is done in turns, and whoever
 * else waits has theirs in between. Simulated time stands still within a turn, so that there it is one turn, always.
 */
export class Pace {
  readonly #clock: Clock;
  #turnBegunMs: number;

  /** The first turn begins now. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turnBegunMs = clock.monotonic();
  }

  /** The work has waited for something else just now: a turn begins. */
  begin(): void {
    this.#turnBegunMs = this.#clock.monotonic();
  }

  /** Whether the turn has been long enough: `rest` is due. */
  get isOver(): boolean {
    return this.#clock.monotonic() - this.#turnBegunMs >= turnMs;
  }

  /** Ends the turn and begins the next one. Rejects with AbortedError as soon as the signal fires. */
  async rest(signal: AbortSignal): Promise<void> {
    await sleep(this.#clock, 0, signal);
    this.begin();
  }
}
