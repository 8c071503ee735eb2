import { MemoryEtcd, StoreError, type WatchEvent } from "@fleet/registry";
import type { Clock } from "@fleet/runtime";

/** Who made a call: one fleetd process, or the user. */
export interface Caller {
  readonly name: string;
  /** Data formats that it reads; whichever there are unless given. */
  readonly formats?: readonly number[];
  /** The highest revision that it has seen or remembers. */
  readonly seen?: () => number;
}

/** Sees each change of the cluster's own store, at once. */
export type ChangeListener = (change: {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
  /** Undefined: nobody; a lease has run out. */
  readonly caller: Caller | undefined;
}) => void;

/** More calls than this at one instant are no work but a loop that never ends. */
const callsAtOneInstant = 20_000;
/** Who has this many of the same writes refused within the time does not wait before it tries again. */
const refusalsInARow = 10;
const refusalsWithinMs = 2000;

/**
 * The etcd of a simulated cluster, as its clients reach it: the cluster's own store (`truth`), or for a while something
 * else in its place.
 */
export class SimulatedEtcd {
  readonly truth: MemoryEtcd;
  readonly #clock: Clock;
  readonly #onRevision = new Set<() => void>();
  /** Whoever has asked the store that there is now without having seen a revision that it had not reached. */
  readonly #deceived = new Set<Caller>();
  readonly #leaseOwners = new Map<string, Caller>();
  readonly #listeners: ChangeListener[] = [];
  #serving: MemoryEtcd;
  #stopListening: () => void;
  #connections = new AbortController();
  #electedAtMs = 0;
  #caller: Caller | undefined;
  #seen: number;
  #instant = 0;
  #calls = 0;
  #isFull = false;
  /** Caller and keys → when its latest writes of them were refused. */
  readonly #refusals = new Map<string, number[]>();
  #insists: string | undefined;
  #leftAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.truth = new MemoryEtcd(clock);
    this.#serving = this.truth;
    this.#seen = this.truth.revision;
    this.truth.onRevision(() => this.#tellChanges());
    this.#stopListening = this.#serving.onRevision(() => this.#wake());
  }

  /** A client turns round without time passing. Its calls hang from then on: nothing else could end it. */
  get runaway(): boolean {
    return this.#calls > callsAtOneInstant;
  }

  /** Fires when all connections break. */
  get connections(): AbortSignal {
    return this.#connections.signal;
  }

  get serving(): MemoryEtcd {
    return this.#serving;
  }

  /** Somebody tries the same write, which is refused, over and over, and how. */
  get insists(): string | undefined {
    return this.#insists;
  }

  /** When clients last talked to another store than the cluster's own, in milliseconds; now, while they do. */
  get elsewhereAtMs(): number {
    return this.#serving === this.truth ? this.#leftAtMs : this.#clock.monotonic();
  }

  /** Its revision does not tell the caller that the store that there is now is an earlier state of another one. */
  mayBeTakenForLatest(caller: Caller): boolean {
    return this.#deceived.has(caller);
  }

  /** Its space is used up (NOSPACE): it reads, deletes and keeps leases, and stores nothing. */
  fill(): void {
    this.#isFull = true;
  }

  makeRoom(): void {
    this.#isFull = false;
  }

  throwIfFull(): void {
    if (this.#isFull) throw new StoreError("etcd_no_space", "simulated: database space exceeded");
  }

  /** A compare of the caller's transaction did not hold. Only what one task alone is about tells of a task that insists. */
  refused(caller: Caller, keys: string): void {
    if (!keys.includes("/states/")) return;
    const nowMs = this.#clock.monotonic();
    const id = `${caller.name} ${keys}`;
    const times = [...(this.#refusals.get(id) ?? []), nowMs].slice(-refusalsInARow);
    this.#refusals.set(id, times);
    if (times.length < refusalsInARow || nowMs - (times[0] ?? 0) > refusalsWithinMs) return;
    this.#insists ??= `${caller.name} does not wait before it tries again what was refused: ${keys}`;
  }

  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Every call of every client goes through here. */
  async call<Result>(caller: Caller, action: (etcd: MemoryEtcd) => Result): Promise<Result> {
    await Promise.resolve();
    if (this.#clock.monotonic() !== this.#instant) this.#calls = 0;
    this.#instant = this.#clock.monotonic();
    this.#calls += 1;
    if (this.runaway) await new Promise<never>(() => {});
    if ((caller.seen?.() ?? 0) <= this.#serving.revision) this.#deceived.add(caller);
    this.#caller = caller;
    try {
      return action(this.#serving);
    } finally {
      this.#caller = undefined;
    }
  }

  ownsLease(leaseId: string, caller: Caller): void {
    this.#leaseOwners.set(leaseId, caller);
  }

  ownerOfLease(leaseId: string): Caller | undefined {
    return this.#leaseOwners.get(leaseId);
  }

  /** Resolves at the next revision, or when the signal fires. */
  nextRevision(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#onRevision.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#onRevision.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  /** The members elect another leader: no call is answered meanwhile, watches break, leases begin anew with it. */
  changeLeader(durationMs: number): void {
    this.#electedAtMs = this.#clock.monotonic() + durationMs;
    this.#clock.after(durationMs, () => this.#serving.renewLeases());
    this.#disconnect();
  }

  /** Milliseconds until the members have a leader. */
  get electionLeftMs(): number {
    return Math.max(0, this.#electedAtMs - this.#clock.monotonic());
  }

  /** From now on clients find another store, which may be another cluster's. `breaking`: their connections break. */
  serve(etcd: MemoryEtcd, { breaking }: { readonly breaking: boolean }): void {
    this.#stopListening();
    this.#leftAtMs = this.#clock.monotonic();
    if (this.#serving !== this.truth) this.#serving.close();
    this.#serving = etcd;
    this.#deceived.clear();
    this.#stopListening = etcd.onRevision(() => this.#wake());
    if (breaking) this.#disconnect();
    else this.#wake();
  }

  close(): void {
    if (this.#serving !== this.truth) this.#serving.close();
    this.truth.close();
  }

  #disconnect(): void {
    const broken = this.#connections;
    this.#connections = new AbortController();
    broken.abort(new StoreError("etcd_unavailable", "simulated: all connections broke"));
  }

  #wake(): void {
    for (const wake of [...this.#onRevision]) wake();
  }

  #tellChanges(): void {
    const { batches } = this.truth.eventsSince({ from: "", to: "\uffff" }, this.#seen + 1);
    this.#seen = this.truth.revision;
    for (const { revision, events } of batches) {
      for (const listener of this.#listeners) listener({ revision, events, caller: this.#caller });
    }
  }
}
