import type { JournalEntry } from "@fleet/core";
import { type Clock, type Counter, errorCode, errorMessage, FleetError, type Logger } from "@fleet/runtime";
import type { UnitManager, UnitStatus } from "@fleet/systemd";
import type { Registration } from "./ports.ts";

/** Share of the TTL between the end of the lease as fleetd counts it and the moment at which systemd acts by itself. */
const timerDelayShare = 0.05;

export interface ExclusiveFenceOptions {
  readonly machineId: string;
  readonly ttlMs: number;
  readonly manager: Pick<UnitManager, "fence" | "status">;
  readonly journal: ReadonlyMap<string, JournalEntry>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fencedUnits: Counter<"by">;
  /** There is something to do for exclusive units: see `stopsAll` and `fired`. */
  readonly onChange: () => void;
}

/**
 * Sees to it that no exclusive unit runs here once this machine's lease may have ended.
 *
 * Invariants:
 * - while the journal holds an exclusive unit, systemd has a timer that stops it before the lease can have ended, counted
 *   from when the last acknowledged keep-alive was sent. Only such a keep-alive pushes it back, so that it goes off also
 *   when fleetd is dead, hangs or has lost its way to systemd;
 * - no exclusive unit is started before etcd has acknowledged a keep-alive that was sent after the start was decided on, and
 *   that timer counts the unit in; nor when the lease may have ended meanwhile. Clocks alone would not do: those of a machine that
 *   stood still as a whole know nothing of it, and its lease may have ended long before the deadline that they tell;
 * - a lease that is lost stops them at once, without waiting for the timer.
 */
export class ExclusiveFence {
  readonly #options: ExclusiveFenceOptions;
  readonly #starting = new Set<string>();
  readonly #fired = new Set<string>();
  /** Of `fired`, those that have been looked after; systemd is told of it with the next fence. */
  readonly #noted = new Set<string>();
  readonly #stopped = new Set<string>();
  #registration: Registration | undefined;
  #lost = false;
  #number = 0;
  /** systemd may have a fence of ours: so may it have one of an earlier process. */
  #mayBeSet = true;
  #failing = false;
  #ended = false;
  #work: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  constructor(options: ExclusiveFenceOptions) {
    this.#options = options;
  }

  /** The lease was lost, and nothing has taken its place: all exclusive units are to stop. */
  get stopsAll(): boolean {
    return this.#lost;
  }

  /** Those of them that have stopped since. */
  get stopped(): ReadonlySet<string> {
    return this.#stopped;
  }

  /** The registration whose lease counts now. */
  get registration(): Registration | undefined {
    return this.#registration;
  }

  /** Units that systemd's timer has stopped, and nobody has looked after since. */
  get fired(): ReadonlySet<string> {
    return this.#fired;
  }

  /** The unit was stopped for want of a lease. */
  hasStopped(unit: string, by: "fleetd" | "nobody"): void {
    this.#stopped.add(unit);
    if (by === "fleetd") this.#options.fencedUnits.add({ by });
  }

  /** That the timer stopped the unit is in the journal. */
  lookedAfter(unit: string): void {
    this.#fired.delete(unit);
    this.#noted.add(unit);
  }

  /** From now on the lease of this registration counts. Resolves when systemd's timer is set by it, if it can be. */
  async begin(registration: Registration): Promise<void> {
    this.#registration = registration;
    registration.lost.addEventListener("abort", () => this.#onLost(registration), { once: true });
    registration.onRenewed(() => {
      if (this.#registration === registration) void this.#tryPush();
    });
    const pushed = this.#tryPush();
    // Nobody waits for a systemd that hangs where there is nothing to fence.
    if (this.#exclusive().length > 0) await pushed;
    if (registration.lost.aborted) return;
    this.#lost = false;
    this.#stopped.clear();
  }

  /** Nothing is done any more; the timer stays as it is, for the next process to push back. */
  end(): void {
    this.#ended = true;
    this.#registration = undefined;
  }

  /** Takes the timer away when no exclusive unit is left. */
  async leave(): Promise<void> {
    await this.#tryPush();
  }

  /**
   * Has an exclusive unit started that was admitted under this registration: under the next one it is somebody else's,
   * perhaps, and this machine has yet to hear of that. Rejects with `lease_not_held`, StoreError, the reason why the lease was lost or the error of
   * systemd, and the unit was not started then, when it cannot be made sure that it will be stopped in time.
   */
  async start<Result>(
    unit: string,
    registration: Registration | undefined,
    start: () => Promise<Result>,
  ): Promise<Result> {
    this.#starting.add(unit);
    try {
      if (registration === undefined || registration !== this.#registration) throw leaseNotHeld(unit);
      await registration.renew();
      await this.#push();
      if (!this.#isHeld(registration)) throw leaseNotHeld(unit);
      return await start();
    } finally {
      this.#starting.delete(unit);
    }
  }

  #isHeld(registration: Registration): boolean {
    if (registration !== this.#registration || registration.lost.aborted) return false;
    return this.#options.clock.monotonic() < registration.leaseDeadlineMs;
  }

  #onLost(registration: Registration): void {
    if (this.#registration !== registration || this.#ended) return;
    this.#lost = true;
    this.#stopped.clear();
    const units = this.#exclusive();
    if (units.length > 0) {
      this.#options.logger.warn("exclusive_units_fenced", {
        units,
        message: errorMessage(registration.lost.reason),
      });
    }
    this.#options.onChange();
  }

  async #tryPush(): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.#push();
      this.#failing = false;
    } catch (error) {
      if (this.#failing) return;
      this.#failing = true;
      logger.error("fence_failed", { code: errorCode(error), message: errorMessage(error) });
    }
  }

  /** Those who ask while one is waiting for its turn share it. */
  #push(): Promise<void> {
    this.#queued ??= this.#work.then(() => {
      this.#queued = undefined;
      return this.#set();
    });
    const pushed = this.#queued;
    this.#work = pushed.catch(() => {});
    return pushed;
  }

  async #set(): Promise<void> {
    const { machineId, manager, ttlMs } = this.#options;
    const name = machineId.slice(0, 8);
    const units = this.#exclusive();
    for (const unit of this.#fired) if (!units.includes(unit)) this.lookedAfter(unit);
    if (units.length === 0) {
      if (!this.#mayBeSet) return;
      await manager.fence(name, undefined);
      this.#mayBeSet = false;
      this.#noted.clear();
      return;
    }
    const states = await manager.status(units);
    const running = units.filter((unit) => this.#starting.has(unit) || !hasEnded(states.get(unit)));
    // Read last: a keep-alive may have been answered meanwhile.
    const registration = this.#registration;
    if (registration === undefined || registration.lost.aborted) return;
    this.#number += 1;
    this.#mayBeSet = true;
    const atMs = registration.leaseDeadlineMs + ttlMs * timerDelayShare;
    const noted = [...this.#noted];
    const fired = await manager.fence(name, { number: this.#number, atMs, stop: units, running, noted });
    this.#takeNote(fired);
    for (const unit of noted) this.#noted.delete(unit);
  }

  #takeNote(fired: readonly string[]): void {
    const { journal, logger, fencedUnits, onChange } = this.#options;
    const fresh = fired.filter((unit) => !this.#fired.has(unit) && !this.#noted.has(unit));
    if (fresh.length === 0) return;
    // Also those that do not count as launched: whoever starts one at this moment has yet to write down that it was.
    for (const unit of fresh) this.#fired.add(unit);
    // What fleetd has stopped itself was stopped once more.
    const units = fresh.filter((unit) => journal.get(unit)?.launched === true || this.#starting.has(unit));
    for (const _ of units) fencedUnits.add({ by: "timer" });
    if (units.length > 0) logger.warn("exclusive_units_were_fenced", { units });
    onChange();
  }

  #exclusive(): readonly string[] {
    return [...this.#options.journal.values()]
      .flatMap(({ unit, exclusive }) => (exclusive ? [unit] : []))
      .sort();
  }
}

/** It does not run, and will not by itself. */
export function hasEnded(status: UnitStatus | undefined): boolean {
  if (status === undefined) return true;
  return (status.active === "inactive" || status.active === "failed") && status.starting !== true;
}

function leaseNotHeld(unit: string): FleetError {
  return new FleetError("lease_not_held", `${unit} is exclusive, and this machine's lease may have ended`, {
    retryable: true,
  });
}
