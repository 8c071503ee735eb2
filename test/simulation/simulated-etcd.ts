import { MemoryEtcd, StoreError, type WatchEvent } from "@fleet/registry";
import type { Clock } from "@fleet/runtime";

/** Who made a call: one fleetd process, or the user. */
export interface Caller {
  readonly name: string;
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

/**
 * The etcd of a simulated cluster, as its clients reach it: the cluster's own store (`truth`), or for a while something
 * else in its place.
 */
export class SimulatedEtcd {
  readonly truth: MemoryEtcd;
  readonly #clock: Clock;
  readonly #onRevision = new Set<() => void>();
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
    if (this.#serving !== this.truth) this.#serving.close();
    this.#serving = etcd;
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
