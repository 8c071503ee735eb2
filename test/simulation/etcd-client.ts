import {
  type LeaseGrant,
  type LeaseTime,
  type MemoryEtcd,
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreError,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchRequest,
} from "@fleet/registry";
import { AbortedError, type Clock, type Random, sleep } from "@fleet/runtime";
import { elapse } from "./simulated-clock.ts";
import type { Caller, SimulatedEtcd } from "./simulated-etcd.ts";

/** How long a call waits for the members to have a leader. */
const deadlineMs = 1000;

/**
 * One client of a simulated etcd. Watches deliver late, several revisions at once or one by one; what is on its way when
 * the connection breaks is lost.
 */
export class EtcdClient implements Store {
  readonly #etcd: SimulatedEtcd;
  readonly #caller: Caller;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #isPatient: boolean;
  #watchLagMs = 5;
  #connection = new AbortController();

  /** `isPatient`: its calls are always answered at once, as seen by somebody who tries until then. */
  constructor(etcd: SimulatedEtcd, caller: Caller, clock: Clock, random: Random, isPatient = false) {
    this.#isPatient = isPatient;
    this.#etcd = etcd;
    this.#caller = caller;
    this.#clock = clock;
    this.#random = random;
  }

  /** How late watches may deliver from now on. */
  lag(milliseconds: number): void {
    this.#watchLagMs = milliseconds;
  }

  /** The connection breaks, and is there again at once. */
  disconnect(): void {
    const broken = this.#connection;
    this.#connection = new AbortController();
    broken.abort();
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#call((etcd) => etcd.range(request));
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    const result = await this.#call((etcd) => {
      if (stores(request)) this.#etcd.throwIfFull();
      return etcd.txn(request);
    });
    if (!result.succeeded) this.#etcd.refused(this.#caller, keysOf(request));
    return result;
  }

  async leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    return await this.#call((etcd) => {
      this.#etcd.throwIfFull();
      const grant = etcd.leaseGrant(ttlMs);
      if (etcd === this.#etcd.truth) this.#etcd.ownsLease(grant.leaseId, this.#caller);
      return grant;
    });
  }

  leaseKeepAlive(leaseId: string): Promise<void> {
    return this.#call((etcd) => etcd.leaseKeepAlive(leaseId));
  }

  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    return this.#call((etcd) => etcd.leaseTimeToLive(leaseId));
  }

  leaseRevoke(leaseId: string): Promise<void> {
    return this.#call((etcd) => etcd.leaseRevoke(leaseId));
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchBatch, never> {
    const over = AbortSignal.any([signal, this.#connection.signal, this.#etcd.connections]);
    let fromRevision = request.fromRevision;
    for (;;) {
      const { scannedTo, batches: waiting } = await this.#events(request, fromRevision, over, signal);
      if (waiting.length === 0) {
        fromRevision = scannedTo + 1;
        if (this.#etcd.serving.revision < fromRevision) await this.#etcd.nextRevision(over);
        continue;
      }
      await sleep(this.#clock, this.#random() * this.#watchLagMs, over).catch(() => {});
      const { batches } = await this.#events(request, fromRevision, over, signal);
      const last = batches.at(-1);
      if (last === undefined) continue;
      fromRevision = last.revision + 1;
      if (this.#random() < 0.5) {
        yield { revision: last.revision, events: batches.flatMap(({ events }) => events) };
        continue;
      }
      for (const batch of batches) {
        this.#throwIfOver(over, signal);
        yield batch;
      }
    }
  }

  close(): void {
    this.disconnect();
  }

  #events(
    request: WatchRequest,
    fromRevision: number,
    over: AbortSignal,
    signal: AbortSignal,
  ): Promise<ReturnType<MemoryEtcd["eventsSince"]>> {
    return this.#etcd.call(this.#caller, (etcd) => {
      this.#throwIfOver(over, signal);
      return etcd.eventsSince(request, fromRevision);
    });
  }

  #throwIfOver(over: AbortSignal, signal: AbortSignal): void {
    if (signal.aborted) throw new AbortedError(signal.reason);
    if (over.aborted) throw new StoreError("etcd_unavailable", "simulated: the connection broke");
  }

  /** Without a leader of the members calls wait; one that has waited too long may be carried out all the same. */
  async #call<Result>(action: (etcd: MemoryEtcd) => Result): Promise<Result> {
    const leftMs = this.#isPatient ? 0 : this.#etcd.electionLeftMs;
    if (leftMs === 0) return await this.#etcd.call(this.#caller, action);
    await elapse(this.#clock, Math.min(leftMs, deadlineMs));
    if (this.#etcd.electionLeftMs === 0) return await this.#etcd.call(this.#caller, action);
    if (this.#random() < 0.5) {
      this.#clock.after(this.#etcd.electionLeftMs, () => {
        this.#etcd.call(this.#caller, action).catch(() => {});
      });
    }
    throw new StoreError("etcd_timeout", "simulated: the members have no leader");
  }
}

/** By what it might do: etcd asks for the space before it compares. */
function stores({ success, failure = [] }: TxnRequest): boolean {
  return [...success, ...failure].some(({ op }) => op === "put");
}

function keysOf({ success }: TxnRequest): string {
  return success.map((operation) => (operation.op === "put" ? operation.key : operation.from)).join(" ");
}
