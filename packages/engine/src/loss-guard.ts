/** How many machines must vanish at least before any of it counts as a mass loss: two may go by coincidence. */
const leastLosses = 3;

export interface LossGuardOptions {
  /** More than this share of the machines must vanish within `windowMs`; 1: never. */
  readonly share: number;
  readonly windowMs: number;
}

/** What is to become of machines that have vanished. */
export type LossVerdict =
  /** They are lost. */
  | { readonly verdict: "lost" }
  /** Too many have vanished at the same time: `vanished` of `of`. */
  | { readonly verdict: "mass_loss"; readonly vanished: number; readonly of: number }
  /** So many others are overdue that it may become a mass loss: look again soon. */
  | { readonly verdict: "open" };

/**
 * Tells a machine's failure from the failure of what the machines have in common. Counts what vanished within the last
 * `windowMs` and has not come back; times are monotonic milliseconds.
 */
export class LossGuard {
  readonly #options: LossGuardOptions;
  readonly #vanishedAt = new Map<string, number>();

  constructor(options: LossGuardOptions) {
    this.#options = options;
  }

  /** With so many machines, there may be a mass loss at all. */
  watches(machines: number): boolean {
    return this.#options.share < 1 && this.#needed(machines) < machines;
  }

  vanished(machineId: string, nowMs: number): void {
    if (!this.#vanishedAt.has(machineId)) this.#vanishedAt.set(machineId, nowMs);
  }

  /** It is back, or is known to be lost: it does not count any more. */
  settled(machineId: string): void {
    this.#vanishedAt.delete(machineId);
  }

  /** `present`: how many machines are there now; `overdue`: how many of them have missed a renewal. */
  verdict(present: number, overdue: number, nowMs: number): LossVerdict {
    const { windowMs } = this.#options;
    for (const [machineId, atMs] of this.#vanishedAt) {
      if (nowMs - atMs > windowMs) this.#vanishedAt.delete(machineId);
    }
    const vanished = this.#vanishedAt.size;
    const of = present + vanished;
    if (!this.watches(of)) return { verdict: "lost" };
    const needed = this.#needed(of);
    if (vanished >= needed) return { verdict: "mass_loss", vanished, of };
    // An overdue machine has renewed, or vanished as well, long before the oldest of these stops to count.
    const oldestMs = Math.min(nowMs, ...this.#vanishedAt.values());
    return vanished + overdue >= needed && nowMs - oldestMs < windowMs
      ? { verdict: "open" }
      : { verdict: "lost" };
  }

  #needed(of: number): number {
    return Math.max(leastLosses, Math.floor(of * this.#options.share) + 1);
  }
}
