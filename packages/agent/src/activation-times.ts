import type { Clock, Histogram } from "@fleet/runtime";

/** Seconds. A unit that takes longer than the last one, image pulls included, is rather stuck. */
export const activationBuckets: readonly number[] = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];

/** Whoever becomes active later than this was started by something else: a timer, a socket, a person. */
const longestMs = 3_600_000;

/** Measures how long units take from when this machine is told to start them until systemd says that they are active. */
export class ActivationTimes {
  readonly #clock: Clock;
  readonly #histogram: Histogram;
  /** Units on their way → monotonic milliseconds of when the order came. */
  readonly #orderedAtMs = new Map<string, number>();

  constructor(clock: Clock, histogram: Histogram) {
    this.#clock = clock;
    this.#histogram = histogram;
  }

  /** The machine has been told to start a unit that it has not started. An order repeated changes nothing. */
  ordered(unit: string): void {
    if (!this.#orderedAtMs.has(unit)) this.#orderedAtMs.set(unit, this.#clock.monotonic());
  }

  /** The order is gone. */
  cancelled(unit: string): void {
    this.#orderedAtMs.delete(unit);
  }

  /** It is no longer heard what orders there are. */
  clear(): void {
    this.#orderedAtMs.clear();
  }

  /** What systemd says of a unit that it has been asked to start. */
  seen(unit: string, active: string): void {
    const orderedAtMs = this.#orderedAtMs.get(unit);
    if (orderedAtMs === undefined || (active !== "active" && active !== "failed")) return;
    this.#orderedAtMs.delete(unit);
    const tookMs = this.#clock.monotonic() - orderedAtMs;
    if (active === "active" && tookMs <= longestMs) this.#histogram.observe(tookMs / 1_000, {});
  }
}
