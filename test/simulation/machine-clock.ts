import type { CancelTimer, Clock } from "@fleet/runtime";

export interface ClockSkew {
  /** Wall clock against that of the world, in milliseconds. */
  readonly offsetMs: number;
  /** Milliseconds of this machine's monotonic clock per millisecond of the world. */
  readonly rate: number;
}

interface Timer {
  readonly dueMs: number;
  readonly fire: () => void;
  cancel: CancelTimer;
}

/**
 * The clock of one machine: it is set differently from the others, runs a little faster or slower, and stands still
 * while the whole machine is paused, as a virtual machine's does.
 */
export class MachineClock implements Clock {
  readonly #world: Clock;
  readonly #skew: ClockSkew;
  readonly #timers = new Set<Timer>();
  /** World time that passed in pauses. */
  #lostMs = 0;
  #pausedAtMs: number | undefined;

  constructor(world: Clock, skew: ClockSkew) {
    this.#world = world;
    this.#skew = skew;
  }

  now(): number {
    return this.#world.now() - this.#lostMs + this.#skew.offsetMs;
  }

  monotonic(): number {
    return ((this.#pausedAtMs ?? this.#world.monotonic()) - this.#lostMs) * this.#skew.rate;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer: Timer = { dueMs: this.monotonic() + Math.max(0, delayMs), fire, cancel: () => {} };
    this.#timers.add(timer);
    if (this.#pausedAtMs === undefined) this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  pause(): void {
    if (this.#pausedAtMs !== undefined) return;
    this.#pausedAtMs = this.#world.monotonic();
    for (const timer of this.#timers) timer.cancel();
  }

  resume(): void {
    if (this.#pausedAtMs === undefined) return;
    this.#lostMs += this.#world.monotonic() - this.#pausedAtMs;
    this.#pausedAtMs = undefined;
    for (const timer of this.#timers) this.#arm(timer);
  }

  #arm(timer: Timer): void {
    const delayMs = Math.max(0, timer.dueMs - this.monotonic()) / this.#skew.rate;
    timer.cancel = this.#world.after(delayMs, () => {
      this.#timers.delete(timer);
      timer.fire();
    });
  }
}
