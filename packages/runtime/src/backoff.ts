import type { Random } from "./random.ts";

export interface BackoffOptions {
  /** First delay. */
  readonly initialMs: number;
  /** Largest delay before jitter. */
  readonly maxMs: number;
  /** Growth per attempt; 2 unless given. */
  readonly factor?: number;
}

/**
 * Exponential back-off with jitter: delay n lies between half and all of min(maxMs, initialMs * factor^n), so
 * that many clients that failed together do not come back together.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #attempt = 0;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** The next delay in milliseconds; each call moves one attempt on. */
  next(): number {
    const { initialMs, maxMs, factor = 2 } = this.#options;
    const ceiling = Math.min(maxMs, initialMs * factor ** this.#attempt);
    if (ceiling < maxMs) this.#attempt += 1;
    return ceiling / 2 + (this.#random() * ceiling) / 2;
  }

  /** Call after a success: the next delay is the first one again. */
  reset(): void {
    this.#attempt = 0;
  }
}
