import type {
  LeaseGrant,
  LeaseTime,
  RangeRequest,
  RangeResult,
  Store,
  TxnRequest,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from "@fleet/registry";

/** A store that lets chosen transactions wait, to hold a process at a point of its work, or refuses them. */
export class HeldStore implements Store {
  readonly #store: Store;
  #refusalOf: (request: TxnRequest) => Error | undefined = () => undefined;
  #isHeld: (request: TxnRequest) => boolean = () => false;
  readonly #waiting: (() => void)[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** What is given an error is answered with it, and not carried out. */
  refuse(refusalOf: (request: TxnRequest) => Error | undefined): void {
    this.#refusalOf = refusalOf;
  }

  hold(isHeld: (request: TxnRequest) => boolean): void {
    this.#isHeld = isHeld;
  }

  release(): void {
    this.#isHeld = () => false;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** How many transactions wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    if (this.#isHeld(request)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) throw refusal;
    return await this.#store.txn(request);
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#store.range(request);
  }

  leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    return this.#store.leaseGrant(ttlMs);
  }

  leaseKeepAlive(leaseId: string): Promise<void> {
    return this.#store.leaseKeepAlive(leaseId);
  }

  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    return this.#store.leaseTimeToLive(leaseId);
  }

  leaseRevoke(leaseId: string): Promise<void> {
    return this.#store.leaseRevoke(leaseId);
  }

  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#store.watch(request, signal);
  }

  close(): void {
    this.#store.close();
  }
}
