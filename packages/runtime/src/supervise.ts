import type { Backoff } from "./backoff.ts";
import { type Clock, sleep } from "./clock.ts";
import { errorCode, errorMessage } from "./errors.ts";
import type { Logger } from "./logger.ts";

export interface SuperviseOptions {
  /** Name in the log. */
  readonly name: string;
  /** The task. It ends only by failing or because its signal fired. */
  readonly task: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly logger: Logger;
  /** How long a task must have run for the next failure to count as a first one. 10 s unless given. */
  readonly healthyAfterMs?: number;
}

/** Runs a task for as long as the signal has not fired, starting it again with back-off whenever it ends. */
export async function supervise(options: SuperviseOptions, signal: AbortSignal): Promise<void> {
  const { name, task, clock, backoff, logger, healthyAfterMs = 10_000 } = options;
  let lastCode: string | undefined;
  while (!signal.aborted) {
    const startedAt = clock.monotonic();
    let failure: unknown;
    try {
      await task(signal);
    } catch (error) {
      failure = error;
    }
    if (signal.aborted) return;
    if (clock.monotonic() - startedAt >= healthyAfterMs) {
      backoff.reset();
      lastCode = undefined;
    }
    const delayMs = backoff.next();
    const code = failure === undefined ? "returned" : errorCode(failure);
    // The same failure over and over (etcd is away, say) is one piece of news.
    const level = code === lastCode ? "debug" : "warn";
    lastCode = code;
    logger[level]("task_ended", {
      task: name,
      code,
      message: failure === undefined ? undefined : errorMessage(failure),
      restart_in_ms: Math.round(delayMs),
    });
    await sleep(clock, delayMs, signal).catch(() => {});
  }
}
