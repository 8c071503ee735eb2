import { Backoff, type CancelTimer, type Clock, type Random } from "@fleet/runtime";

interface Retry {
  readonly backoff: Backoff;
  cancel: CancelTimer | undefined;
}

/** Per unit: work on it failed, and it is left alone until its back-off has passed. */
export class RetrySchedule {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onDue: () => void;
  readonly #retries = new Map<string, Retry>();

  constructor(clock: Clock, random: Random, onDue: () => void) {
    this.#clock = clock;
    this.#random = random;
    this.#onDue = onDue;
  }

  waits(unit: string): boolean {
    return this.#retries.get(unit)?.cancel !== undefined;
  }

  /** Returns the delay in milliseconds. */
  failed(unit: string): number {
    const retry = this.#retries.get(unit) ?? {
      backoff: new Backoff({ initialMs: 200, maxMs: 30_000 }, this.#random),
      cancel: undefined,
    };
    this.#retries.set(unit, retry);
    const delayMs = retry.backoff.next();
    retry.cancel?.();
    retry.cancel = this.#clock.after(delayMs, () => {
      retry.cancel = undefined;
      this.#onDue();
    });
    return delayMs;
  }

  succeeded(unit: string): void {
    this.#retries.get(unit)?.cancel?.();
    this.#retries.delete(unit);
  }

  /** What stood in the way may be gone: nothing waits any longer. */
  clear(): void {
    for (const unit of [...this.#retries.keys()]) this.succeeded(unit);
  }
}
