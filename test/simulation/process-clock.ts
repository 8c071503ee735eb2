import type { CancelTimer, Clock } from "@fleet/runtime";

/**
 * A process as its machine sees it: it can be stopped (SIGSTOP) and continued. Time goes on meanwhile: what fell due
 * fires at once when it continues.
 */
export class ProcessClock implements Clock {
  readonly #machine: Clock;
  #stopped = false;
  #continued: (() => void)[] = [];

  constructor(machine: Clock) {
    this.#machine = machine;
  }

  now(): number {
    return this.#machine.now();
  }

  monotonic(): number {
    return this.#machine.monotonic();
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    let cancelled = false;
    const fireUnlessCancelled = (): void => {
      if (!cancelled) fire();
    };
    const cancel = this.#machine.after(delayMs, () => {
      if (this.#stopped) this.#continued.push(fireUnlessCancelled);
      else fireUnlessCancelled();
    });
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** Resolves at once, or when the process continues. */
  async running(): Promise<void> {
    while (this.#stopped) await new Promise<void>((resolve) => this.#continued.push(resolve));
  }

  stop(): void {
    this.#stopped = true;
  }

  continue(): void {
    this.#stopped = false;
    const due = this.#continued;
    this.#continued = [];
    for (const each of due) each();
  }
}
