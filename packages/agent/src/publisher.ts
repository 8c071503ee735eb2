import type { JournalEntry, RestartOutcome } from "@fleet/core";
import type { StateRecord } from "@fleet/registry";
import {
  AbortedError,
  Backoff,
  type Clock,
  FleetError,
  LevelLoop,
  type Logger,
  type Random,
} from "@fleet/runtime";
import type { UnitManager, UnitStatus } from "@fleet/systemd";
import type { Registration } from "./ports.ts";

export interface PublisherOptions {
  readonly manager: UnitManager;
  readonly journal: ReadonlyMap<string, JournalEntry>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The registry refused a publication for good, or this registration is no longer the machine's. */
  readonly onRefused: (error: FleetError) => void;
  /** systemd was asked about a unit. */
  readonly onStatus: (unit: string, active: string) => void;
}

interface SeenStatus extends UnitStatus {
  /** The restart that the journal told of before systemd was asked: the status is of what it began, or later. */
  readonly restart: RestartOutcome | undefined;
}

interface Admission {
  readonly assignedAt: number;
  readonly resolve: (outcome: "admitted" | "stale") => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Publishes one state row per unit on this machine, on change only.
 *
 * Invariants:
 * - the first row of a unit is written by `admit`, in a transaction that fails when the assignment has been
 *   taken away: the engine, having withdrawn a unit and seeing no row of it, may place it elsewhere at once;
 * - a unit whose intent has been carried out, now or by an earlier process, always has its row;
 * - a row goes only after its unit has been unloaded.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #loop: LevelLoop;
  readonly #dirty = new Set<string>();
  readonly #status = new Map<string, SeenStatus>();
  readonly #flushWaiters: (() => void)[] = [];
  readonly #admissions = new Map<string, Admission>();
  readonly #admitted = new Set<string>();
  /** Units with a row on its way: it may be there or, until an answer says otherwise, not. */
  readonly #uncertain = new Set<string>();
  #published = new Map<string, StateRecord | undefined>();
  #registration: Registration | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#loop = new LevelLoop({
      name: "publish",
      pass: () => this.#pass(),
      clock: options.clock,
      backoff: new Backoff({ initialMs: 100, maxMs: 2000 }, options.random),
      logger: options.logger,
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  /** The last known status of a unit. */
  status(unit: string): UnitStatus | undefined {
    return this.#status.get(unit);
  }

  /** How many units of this machine have which active state, as far as systemd has been asked. */
  activeStates(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const unit of this.#options.journal.keys()) {
      const active = this.#rowOf(unit)?.active;
      if (active !== undefined) counts.set(active, (counts.get(active) ?? 0) + 1);
    }
    return counts;
  }

  /** Resolves when all there is to publish has been published, and after `limitMs` in any case. */
  async flushed(limitMs: number): Promise<void> {
    if (this.#registration === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(limitMs, resolve);
      this.#flushWaiters.push(() => {
        cancel();
        resolve();
      });
      this.#loop.trigger();
    });
  }

  /** What `unit` is, or whether it is there at all, may have changed. */
  touch(unit: string): void {
    this.#dirty.add(unit);
    this.#loop.trigger();
  }

  touchAll(): void {
    for (const unit of this.#options.journal.keys()) this.#dirty.add(unit);
    for (const unit of this.#published.keys()) this.#dirty.add(unit);
    this.#loop.trigger();
  }

  /**
   * Publishes from now on under `registration`. Rows left by an earlier process hang on its dying lease: all
   * are written anew, and those of units that are gone are removed. Where there is a row, that process may have
   * started the unit without living to note it.
   */
  async begin(registration: Registration): Promise<void> {
    const left = await registration.published();
    this.#published = new Map([...left.keys()].map((unit) => [unit, undefined]));
    this.#uncertain.clear();
    this.#admitted.clear();
    for (const unit of left.keys()) this.#admitted.add(unit);
    this.#registration = registration;
    this.touchAll();
  }

  /** Stops publishing: the registration is gone, and its rows with it. */
  end(): void {
    this.#registration = undefined;
    this.#published.clear();
    this.#admitted.clear();
    for (const [unit, admission] of [...this.#admissions]) {
      this.#admissions.delete(unit);
      admission.reject(registrationLost());
    }
  }

  /**
   * Makes sure that the unit has a row, so that it may be started. `stale`: its assignment has changed since;
   * it must not be started.
   */
  admit(unit: string, assignedAt: number): Promise<"admitted" | "stale"> {
    if (this.#registration === undefined) return Promise.reject(registrationLost());
    if (this.#published.get(unit) !== undefined) {
      this.#admitted.add(unit);
      return Promise.resolve("admitted");
    }
    return new Promise((resolve, reject) => {
      this.#admissions.set(unit, { assignedAt, resolve, reject });
      this.touch(unit);
    });
  }

  // What changes while a pass is under way is published together by the next one: no timer is needed to debounce.
  async #pass(): Promise<void> {
    const { manager, journal, onStatus } = this.#options;
    const registration = this.#registration;
    const units = [...this.#dirty].sort();
    if (units.length === 0) for (const flushed of this.#flushWaiters.splice(0)) flushed();
    if (registration === undefined || units.length === 0) return;
    this.#dirty.clear();
    try {
      const present = units.filter((unit) => journal.has(unit) && !this.#isNew(unit));
      const restarts = new Map(present.map((unit) => [unit, journal.get(unit)?.restart]));
      const statuses = present.length === 0 ? new Map<string, UnitStatus>() : await manager.status(present);
      for (const [unit, status] of statuses) {
        this.#status.set(unit, { ...status, restart: restarts.get(unit) });
        onStatus(unit, status.active);
      }
      await this.#publish(registration, units);
      if (this.#flushWaiters.length > 0) this.#loop.trigger();
    } catch (error) {
      for (const unit of units) this.#dirty.add(unit);
      if (this.#registration !== registration || error instanceof AbortedError) return;
      if (isRefusedByRegistry(error)) this.#options.onRefused(error);
      throw error;
    }
  }

  /** It is being loaded, and has not been seen. A systemd that is asked for a unit before its file is there may remember that. */
  #isNew(unit: string): boolean {
    const loading = this.#options.journal.get(unit)?.phase === "loading";
    return loading && this.#admissions.has(unit) && !this.#status.has(unit);
  }

  async #publish(registration: Registration, units: readonly string[]): Promise<void> {
    const put: { unit: string; record: StateRecord; assignedAt?: number }[] = [];
    const remove: string[] = [];
    for (const unit of units) {
      const record = this.#rowOf(unit);
      const admission = this.#admissions.get(unit);
      if (admission !== undefined && record === undefined) {
        this.#admissions.delete(unit);
        admission.resolve("stale");
      }
      if (record !== undefined && admission !== undefined) {
        put.push({ unit, record, assignedAt: admission.assignedAt });
      } else if (record !== undefined && this.#mayPublish(unit)) {
        // It stays until the unit is unloaded, also when a fence makes its intent count as not carried out any more.
        this.#admitted.add(unit);
        const known = this.#uncertain.has(unit) ? undefined : this.#published.get(unit);
        if (!sameRow(known, record)) put.push({ unit, record });
      } else if (this.#published.has(unit)) remove.push(unit);
    }
    if (put.length + remove.length === 0) return;
    // Until the answer is here each may be there or not, and if the answer gets lost: a new one has to be removed one
    // day all the same, and on an old one no unit may be started any more.
    for (const { unit } of put) {
      this.#uncertain.add(unit);
      if (!this.#published.has(unit)) this.#published.set(unit, undefined);
    }
    for (const unit of remove) this.#published.set(unit, undefined);
    const { stale } = await registration.publish({ put, remove });
    if (this.#registration !== registration) return;
    for (const { unit } of put) this.#uncertain.delete(unit);
    for (const { unit, record, assignedAt } of put)
      this.#wasPut(unit, record, assignedAt, stale.includes(unit));
    for (const unit of remove) {
      this.#published.delete(unit);
      this.#status.delete(unit);
    }
  }

  #wasPut(unit: string, record: StateRecord, assignedAt: number | undefined, stale: boolean): void {
    const admission = this.#admissions.get(unit);
    if (!stale) {
      this.#published.set(unit, record);
      if (assignedAt !== undefined) this.#admitted.add(unit);
    } else if (this.#mayPublish(unit)) {
      // It has run before and needs its row whatever has become of the order that it was to be written with.
      this.touch(unit);
    }
    // A newer admission may have taken its place while this one was under way: that one gets its own answer.
    if (admission !== undefined && admission.assignedAt === assignedAt) {
      this.#admissions.delete(unit);
      admission.resolve(stale ? "stale" : "admitted");
    }
  }

  #mayPublish(unit: string): boolean {
    const entry = this.#options.journal.get(unit);
    return this.#admitted.has(unit) || (entry !== undefined && entry.generation > 0);
  }

  #rowOf(unit: string): StateRecord | undefined {
    const entry = this.#options.journal.get(unit);
    if (entry === undefined) {
      this.#admitted.delete(unit);
      return undefined;
    }
    const { hash, launched, problem, refusal } = entry;
    const seen = this.#status.get(unit);
    const { load, active, sub } =
      problem === undefined
        ? (seen ?? { load: "not-found", active: "inactive", sub: "dead" })
        : { load: "error", active: "failed", sub: "failed" };
    return {
      hash,
      load,
      active,
      sub,
      launched,
      ...refusalShown(active, problem ?? refusal),
      ...(seen?.restart === undefined ? {} : { restart: seen.restart }),
    };
  }
}

/** A unit that runs after all, started by hand or by another unit, has no refusal to show. */
function refusalShown(active: string, refusal: string | undefined): { readonly problem?: string } {
  return refusal !== undefined && (active === "inactive" || active === "failed") ? { problem: refusal } : {};
}

function sameRow(a: StateRecord | undefined, b: StateRecord): boolean {
  return (
    a !== undefined &&
    a.hash === b.hash &&
    a.load === b.load &&
    a.active === b.active &&
    a.sub === b.sub &&
    a.launched === b.launched &&
    a.problem === b.problem &&
    a.restart?.number === b.restart?.number &&
    a.restart?.refused === b.restart?.refused
  );
}

/**
 * What systemd refuses says nothing about the registration. Nor does an etcd that is full: it keeps leases alive and
 * delivers orders, but would refuse a new registration, and the machine could not even carry out a stop then.
 */
function isRefusedByRegistry(error: unknown): error is FleetError {
  if (!(error instanceof FleetError) || error.retryable) return false;
  return error.code !== "etcd_no_space" && !error.code.startsWith("systemd_");
}

function registrationLost(): FleetError {
  return new FleetError("registration_lost", "this machine is not registered at the moment", {
    retryable: true,
  });
}
