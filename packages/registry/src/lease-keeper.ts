import { type CancelTimer, type Clock, errorMessage, FleetError } from "@fleet/runtime";
import { type LeaseGrant, type Store, StoreError } from "./store.ts";

export interface LeaseKeeperOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly grant: LeaseGrant;
  /** Monotonic milliseconds at which the grant was *asked for*. */
  readonly grantSentAtMs: number;
}

/**
 * Renews a lease until told to stop, and knows when it must be taken for lost.
 *
 * Invariants:
 * - the lease is held until `deadlineMs` = when the last acknowledged renewal was *sent*, plus the TTL, less a
 *   margin. etcd counts from when it received it, so etcd never gives up the lease before we do;
 * - `lost` fires once, at that deadline or as soon as etcd says that the lease is gone, never after `stop`;
 * - the deadline never moves back, in whichever order renewals are answered.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #lost = new AbortController();
  readonly #over = new AbortController();
  readonly #renewed = new Set<() => void>();
  #deadlineMs: number;
  #stopped = false;
  #cancelRenewal: CancelTimer = () => {};
  #cancelDeadline: CancelTimer = () => {};
  #asked: Promise<void> | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#deadlineMs = this.#deadlineAfter(options.grantSentAtMs);
  }

  get leaseId(): string {
    return this.#options.grant.leaseId;
  }

  /** Its reason is the FleetError that says why. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Monotonic milliseconds: `lost` fires then, unless the lease is renewed before. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  /** Called after each acknowledged renewal, when `deadlineMs` has moved on. */
  onRenewed(listener: () => void): void {
    this.#renewed.add(listener);
  }

  start(): void {
    this.#watchDeadline();
    this.#renewAfter(this.#intervalMs);
  }

  /**
   * Renews at once, beside the regular renewals; those who ask at the same moment share one. Rejects with StoreError or the
   * reason of `lost` when etcd did not acknowledge a renewal that was sent after this was called.
   */
  renew(): Promise<void> {
    this.#asked ??= Promise.resolve().then(() => {
      this.#asked = undefined;
      return this.#renew();
    });
    return this.#asked;
  }

  /** Takes the lease for lost when the signal fires: what it stands for is over then. */
  endWith(signal: AbortSignal): void {
    const end = (): void => this.fail(new FleetError("lease_lost", errorMessage(signal.reason)));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true, signal: this.#over.signal });
  }

  /** Stops renewing without ending the lease. */
  stop(): void {
    this.#stopped = true;
    this.#over.abort();
    this.#cancelRenewal();
    this.#cancelDeadline();
  }

  /** Takes the lease for lost: somebody has seen that it, or what it stands for, is gone. */
  fail(reason: FleetError): void {
    if (this.#stopped) return;
    this.stop();
    this.#lost.abort(reason);
  }

  /** Stops, and ends the lease in etcd with all its keys. Rejects with StoreError; it then ends by itself. */
  async revoke(): Promise<void> {
    this.stop();
    await this.#options.store.leaseRevoke(this.leaseId);
  }

  get #intervalMs(): number {
    return this.#options.grant.ttlMs / 3;
  }

  /** The margin covers what was decided just before and is still on its way. */
  #deadlineAfter(sentAtMs: number): number {
    return sentAtMs + this.#options.grant.ttlMs * 0.9;
  }

  #watchDeadline(): void {
    const { clock } = this.#options;
    this.#cancelDeadline();
    this.#cancelDeadline = clock.after(this.#deadlineMs - clock.monotonic(), () => {
      this.fail(new FleetError("lease_lost", "the lease could not be renewed in time"));
    });
  }

  #renewAfter(delayMs: number): void {
    this.#cancelRenewal = this.#options.clock.after(Math.max(0, delayMs), () => {
      void this.#renewRegularly();
    });
  }

  async #renewRegularly(): Promise<void> {
    const { clock } = this.#options;
    const sentAtMs = clock.monotonic();
    try {
      await this.#renew();
    } catch {
      // Sooner than a regular renewal: the deadline is near.
      if (!this.#stopped) this.#renewAfter(this.#intervalMs / 4);
      return;
    }
    if (!this.#stopped) this.#renewAfter(sentAtMs + this.#intervalMs - clock.monotonic());
  }

  async #renew(): Promise<void> {
    const { store, clock } = this.#options;
    this.#throwIfStopped();
    const sentAtMs = clock.monotonic();
    try {
      await store.leaseKeepAlive(this.leaseId);
    } catch (error) {
      if (error instanceof StoreError && error.code === "etcd_lease_not_found") {
        this.fail(
          new FleetError("lease_lost", `etcd has ended the lease: ${errorMessage(error)}`, { cause: error }),
        );
      }
      throw error;
    }
    this.#throwIfStopped();
    this.#deadlineMs = Math.max(this.#deadlineMs, this.#deadlineAfter(sentAtMs));
    this.#watchDeadline();
    for (const listener of this.#renewed) listener();
  }

  /** Also of an answer that comes once the lease was given up: it counts for nothing any more. */
  #throwIfStopped(): void {
    if (this.#lost.signal.aborted) throw this.#lost.signal.reason;
    if (this.#stopped) throw new FleetError("lease_lost", "the lease is not renewed any more");
  }
}
