import { FleetError } from "@fleet/runtime";

/**
 * The part of etcd v3 that fleet uses. Everything else in this package is written against this port, and runs
 * unchanged over real etcd (`Etcd3Store`) and over the in-memory twin (`MemoryStore`); one contract suite
 * holds both to the same behaviour.
 *
 * Revisions are plain numbers (etcd's int64 stays far below 2^53). Every call has a deadline of its own and
 * rejects with StoreError; nothing waits for ever.
 */
export interface Store {
  /** Keys in [from, to), ascending, at one revision. Reads are linearizable unless `revision` is given. */
  range(request: RangeRequest): Promise<RangeResult>;
  /** All compares hold: `success` is carried out, else `failure`, atomically at one revision. */
  txn(request: TxnRequest): Promise<TxnResult>;
  /**
   * Every change of [from, to) from `fromRevision` on, in order, one batch per revision or several whole
   * revisions at once; no revision is ever split over two batches. Ends only by throwing: StoreError `compacted`
   * when `fromRevision` is no longer held, `unavailable` when the connection broke, AbortedError when the
   * signal fired. Resume from the last batch's revision + 1.
   */
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchBatch>;
  /** Grants a lease. `ttlMs` is rounded up to whole seconds; the answer says what etcd made of it. */
  leaseGrant(ttlMs: number): Promise<LeaseGrant>;
  /** Renews the lease once. StoreError `lease_not_found` when it has expired. */
  leaseKeepAlive(leaseId: string): Promise<void>;
  /** How long the lease has left; undefined when it has expired. */
  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined>;
  /** Ends the lease now and deletes its keys, in one revision. Revoking a lost lease is no error. */
  leaseRevoke(leaseId: string): Promise<void>;
  /** Releases connections. Calls still open reject. */
  close(): void;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Lease the key hangs on; "0" when on none. */
  readonly leaseId: string;
}

export interface KeyRange {
  readonly from: string;
  /** Exclusive end; left out: just the key `from`. */
  readonly to?: string;
}

export interface RangeRequest extends KeyRange {
  /** At most this many rows; the answer then says whether there are more. */
  readonly limit?: number;
  /** Read as of this revision. */
  readonly revision?: number;
  readonly keysOnly?: boolean;
}

export interface RangeResult {
  /** The store's revision when it answered. */
  readonly revision: number;
  readonly rows: readonly KeyValue[];
  readonly more: boolean;
}

/** `absent` is create revision 0. */
export type Compare =
  | { readonly key: string; readonly test: "absent" }
  | { readonly key: string; readonly test: "present" }
  | { readonly key: string; readonly test: "createRevision"; readonly equals: number }
  | { readonly key: string; readonly test: "modRevision"; readonly equals: number };

export type Operation =
  | { readonly op: "put"; readonly key: string; readonly value: string; readonly leaseId?: string }
  | ({ readonly op: "delete" } & KeyRange)
  | ({ readonly op: "get"; readonly limit?: number } & KeyRange);

export interface TxnRequest {
  readonly compares: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

export interface TxnResult {
  readonly succeeded: boolean;
  /** Revision of the write, or the store's present revision when nothing was written. */
  readonly revision: number;
  /** One entry per operation carried out: the rows of a `get`, empty for the others. */
  readonly results: readonly (readonly KeyValue[])[];
}

export interface WatchRequest extends KeyRange {
  readonly fromRevision: number;
}

export type WatchEvent =
  | { readonly type: "put"; readonly row: KeyValue }
  | { readonly type: "delete"; readonly key: string; readonly modRevision: number };

export interface WatchBatch {
  /** Revision of the last event in the batch: everything up to it has been delivered. */
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

export interface LeaseGrant {
  readonly leaseId: string;
  readonly ttlMs: number;
}

/** How long a lease has left. */
export interface LeaseTime {
  /** etcd tells whole seconds: it is not more than this. */
  readonly atMostMs: number;
  /** What every renewal makes it. */
  readonly ttlMs: number;
}

/** Most operations in one transaction. etcd by default takes 128, but of those each may be a transaction: an Etcd3Store nests more. */
export const maxTxnOperations = 1_024;

/** Of a transaction that is not nested: most operations, and most compares (etcd's default limit). */
export const maxFlatOperations = 128;

/** Most operations in each of the transactions that are nested in one. */
export const maxNestedOperations = 64;

/** Fails with `etcd_failed` where etcd would refuse the number of compares or operations. */
export function checkTxnSize({ compares, success, failure = [] }: TxnRequest): void {
  const operations = Math.max(success.length, failure.length);
  // One within another takes what that one leaves of the limit.
  const mostCompares = operations > maxFlatOperations ? maxNestedOperations : maxFlatOperations;
  if (operations <= maxTxnOperations && compares.length <= mostCompares) return;
  const size = `${compares.length} compares and ${operations} operations`;
  throw new StoreError("etcd_failed", `${size} are too many for a transaction`);
}

export type StoreErrorCode =
  /** No etcd member answered. The call may or may not have been carried out. */
  | "etcd_unavailable"
  /** The call's deadline passed. It may or may not have been carried out. */
  | "etcd_timeout"
  /** The revision asked for has been compacted away. */
  | "etcd_compacted"
  /** The lease has expired or was revoked. */
  | "etcd_lease_not_found"
  /** etcd's database is full: it refuses writes until space is made. */
  | "etcd_no_space"
  /** etcd refuses the user, password or certificate. */
  | "etcd_denied"
  /** The request is larger than etcd takes (1.5 MiB). */
  | "etcd_too_large"
  /** Anything else etcd answered. */
  | "etcd_failed";

const retryableCodes: ReadonlySet<StoreErrorCode> = new Set(["etcd_unavailable", "etcd_timeout"]);

/** A call to etcd failed. Retryable failures are ambiguous: the call may have been carried out all the same. */
export class StoreError extends FleetError {
  declare readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(code, message, { retryable: retryableCodes.has(code), cause });
    this.name = "StoreError";
  }
}
