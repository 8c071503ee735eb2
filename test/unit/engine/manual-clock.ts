import type { CancelTimer, Clock } from "@fleet/runtime";

/** Time that passes only when told to. What is due at once happens as soon as all that is ready has run. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly fire: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    if (delayMs <= 0) {
      setImmediate(() => {
        if (this.#timers.delete(timer)) fire();
      });
    }
    return () => this.#timers.delete(timer);
  }

  advance(byMs: number): void {
    this.#nowMs += byMs;
    for (const timer of [...this.#timers].sort((left, right) => left.atMs - right.atMs)) {
      if (timer.atMs <= this.#nowMs && this.#timers.delete(timer)) timer.fire();
    }
  }
}

/** Lets everything that is ready to run, run. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
