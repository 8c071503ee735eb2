import type { CancelTimer, Clock } from "@fleet/runtime";

/** Waits, whatever happens meanwhile. For what is not a program and cannot be told to stop: a network, a systemd. */
export function elapse(clock: Clock, durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(durationMs, resolve);
  });
}

interface Timer {
  readonly dueMs: number;
  /** Order of creation: timers due at the same instant fire in it. */
  readonly sequence: number;
  readonly fire: () => void;
}

/**
 * Time that moves only when told to, so that minutes of cluster life pass in milliseconds and always the same way.
 *
 * Invariants:
 * - timers fire in order of their due time, then of their creation;
 * - between two timers everything that follows from the first (promises, immediates) has run.
 */
export class SimulatedClock implements Clock {
  readonly #epochMs: number;
  readonly #timers: Timer[] = [];
  #elapsedMs = 0;
  #sequence = 0;
  /** Called whenever everything that follows from one timer has run. */
  onSettled: () => void = () => {};

  /** `epochMs`: wall-clock time at the start. */
  constructor(epochMs = 1_700_000_000_000) {
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#epochMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), sequence: this.#sequence, fire };
    this.#sequence += 1;
    const position = this.#timers.findLastIndex((other) => other.dueMs <= timer.dueMs) + 1;
    this.#timers.splice(position, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  /** Moves time on by `durationMs`, firing every timer that falls due, also those created meanwhile. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#elapsedMs + durationMs;
    await this.settle();
    for (;;) {
      const next = this.#timers[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#timers.shift();
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.fire();
      await this.settle();
    }
    this.#elapsedMs = endMs;
  }

  /**
   * Advances in steps until the condition holds; returns how long that took, in milliseconds. Throws when it does
   * not hold after `limitMs`.
   */
  async advanceUntil(condition: () => boolean, limitMs: number, stepMs = 10): Promise<number> {
    const startMs = this.#elapsedMs;
    await this.settle();
    while (!condition()) {
      if (this.#elapsedMs - startMs >= limitMs) {
        throw new Error(`condition does not hold after ${limitMs} simulated ms`);
      }
      await this.advance(stepMs);
    }
    return this.#elapsedMs - startMs;
  }

  /** Lets everything run that needs no time to pass. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.onSettled();
  }

  /** How many timers are pending: a component that has stopped must leave none. */
  get pending(): number {
    return this.#timers.length;
  }
}
