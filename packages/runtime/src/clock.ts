import { AbortedError } from "./errors.ts";

/** Cancels a timer; calling it twice, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

/**
 * The only source of time. Everything that waits or measures takes a clock, so that the simulation can run
 * the production code on simulated time.
 */
export interface Clock {
  /** Wall-clock milliseconds since the Unix epoch: for people and records, never for deadlines. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary start: for deadlines and durations. */
  monotonic(): number;
  /** Calls `fire` once, when at least `delayMs` have passed by `monotonic`: who waits for a deadline then finds it over. */
  after(delayMs: number, fire: () => void): CancelTimer;
}

/** The clock of the machine. Its timers keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, fire) => {
    const dueMs = performance.now() + delayMs;
    // Node counts whole milliseconds from a clock that it rounds down: its timers fire up to 2 ms early.
    const fireWhenDue = (): void => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) timer = setTimeout(fireWhenDue, Math.ceil(leftMs));
      else fire();
    };
    let timer = setTimeout(fireWhenDue, Math.ceil(delayMs));
    return () => clearTimeout(timer);
  },
};

/** Waits `delayMs`. Rejects with AbortedError as soon as the signal fires. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new AbortedError(signal.reason));
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(new AbortedError(signal.reason));
    };
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
