import { AbortedError, type Clock, FleetError } from "@fleet/runtime";

/** The watch delivers own writes within milliseconds; later than this something is wrong with it. */
const catchUpTimeoutMs = 10_000;

/**
 * Up to where a model has seen everything that was written.
 *
 * Invariant: at most one waits for it at a time.
 */
export class SeenRevision {
  readonly #clock: Clock;
  #revision: number | undefined;
  #awaited: { readonly revision: number; readonly reached: () => void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined before the first batch. */
  get revision(): number | undefined {
    return this.#revision;
  }

  advance(revision: number): void {
    this.#revision = revision;
    if (this.#awaited !== undefined && revision >= this.#awaited.revision) this.#awaited.reached();
  }

  /** Resolves once everything up to the revision is seen. Rejects with FleetError `watch_late` when that takes too long. */
  async reached(revision: number, signal: AbortSignal): Promise<void> {
    if ((this.#revision ?? 0) >= revision) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        cancel();
        signal.removeEventListener("abort", onAbort);
        this.#awaited = undefined;
        outcome();
      };
      const onAbort = (): void => settle(() => reject(new AbortedError(signal.reason)));
      const cancel = this.#clock.after(catchUpTimeoutMs, () => {
        const late = new FleetError("watch_late", `own writes at revision ${revision} have not come back`, {
          retryable: true,
        });
        settle(() => reject(late));
      });
      this.#awaited = { revision, reached: () => settle(resolve) };
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }
}
