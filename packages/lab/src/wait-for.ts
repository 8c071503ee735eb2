import { errorMessage, FleetError } from "@fleet/runtime";

const POLL_INTERVAL_MS = 20;

export interface WaitOptions<T> {
  /** Completes the sentence "waiting for …". */
  readonly what: string;
  /** Looks once. A failure counts as "not yet" and is shown when the time is up. */
  readonly probe: () => Promise<T>;
  readonly until: (value: T) => boolean;
  readonly timeoutMs: number;
  /** What helps to understand a timeout, such as the ends of logs. */
  readonly context?: () => string;
  readonly signal?: AbortSignal;
}

/** What was seen, and how long it took. */
export interface Awaited<T> {
  readonly value: T;
  readonly ms: number;
}

/**
 * Waits until a probe sees what is wanted.
 *
 * Fails with `lab_timeout`, and a message that holds what was seen last, after `timeoutMs`.
 */
export async function waitFor<T>(options: WaitOptions<T>): Promise<Awaited<T>> {
  const startedAt = performance.now();
  let seen = "nothing";
  while (true) {
    options.signal?.throwIfAborted();
    try {
      const value = await options.probe();
      seen = JSON.stringify(value, null, 2) ?? "undefined";
      if (options.until(value)) return { value, ms: performance.now() - startedAt };
    } catch (error) {
      seen = `error: ${errorMessage(error)}`;
    }
    if (performance.now() - startedAt > options.timeoutMs) {
      const context = options.context === undefined ? "" : `\n${options.context()}`;
      throw new FleetError(
        "lab_timeout",
        `waited ${options.timeoutMs} ms for ${options.what}\nlast seen: ${seen}${context}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}
