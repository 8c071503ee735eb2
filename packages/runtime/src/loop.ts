import type { Backoff } from "./backoff.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { errorCode, errorMessage } from "./errors.ts";
import type { Logger } from "./logger.ts";

export interface LevelLoopOptions {
  /** Name in the log. */
  readonly name: string;
  /** One pass. It must look at the present state, never at which trigger called it. */
  readonly pass: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly logger: Logger;
}

/**
 * A level-triggered loop: triggers only mark it dirty.
 *
 * Invariants:
 * - at most one pass runs at a time;
 * - a trigger during a pass leads to exactly one more pass after it;
 * - a failed pass is repeated after a back-off, triggers meanwhile do not shorten it.
 */
export class LevelLoop {
  readonly #options: LevelLoopOptions;
  #dirty = false;
  #running = false;
  /** Code of the failure that the last pass ended with. */
  #failing: string | undefined;
  #cancelRetry: CancelTimer | undefined;
  #signal: AbortSignal | undefined;
  #stopped: (() => void) | undefined;

  constructor(options: LevelLoopOptions) {
    this.#options = options;
  }

  /** Runs until the signal fires and the pass then in progress has ended. Passes only start in here. */
  run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    return new Promise((resolve) => {
      const stop = (): void => {
        this.#cancelRetry?.();
        this.#cancelRetry = undefined;
        if (this.#running) this.#stopped = resolve;
        else resolve();
      };
      if (signal.aborted) {
        stop();
        return;
      }
      signal.addEventListener("abort", stop, { once: true });
      if (this.#dirty) void this.#passes();
    });
  }

  /** Marks the loop dirty. */
  trigger(): void {
    this.#dirty = true;
    if (!this.#running && this.#cancelRetry === undefined) void this.#passes();
  }

  async #passes(): Promise<void> {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted || this.#running) return;
    this.#running = true;
    const { name, pass, clock, backoff, logger } = this.#options;
    while (this.#dirty && !signal.aborted) {
      this.#dirty = false;
      try {
        await pass(signal);
        backoff.reset();
        this.#failing = undefined;
      } catch (error) {
        if (signal.aborted) break;
        this.#dirty = true;
        const delayMs = backoff.next();
        const code = errorCode(error);
        // The same failure over and over (systemd is away, say) is one piece of news.
        const level = code === this.#failing ? "debug" : "warn";
        this.#failing = code;
        logger[level]("pass_failed", {
          loop: name,
          code,
          message: errorMessage(error),
          retry_in_ms: Math.round(delayMs),
        });
        this.#cancelRetry = clock.after(delayMs, () => {
          this.#cancelRetry = undefined;
          void this.#passes();
        });
        break;
      }
    }
    this.#running = false;
    this.#stopped?.();
  }
}
