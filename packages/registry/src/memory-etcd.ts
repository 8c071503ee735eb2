import type { CancelTimer, Clock } from "@fleet/runtime";
import {
  type Compare,
  checkTxnSize,
  type KeyRange,
  type KeyValue,
  type LeaseGrant,
  type LeaseTime,
  type Operation,
  type RangeRequest,
  type RangeResult,
  StoreError,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchEvent,
} from "./store.ts";

/** etcd's default limit of a request, in bytes. */
const maxRequestBytes = 1.5 * 1024 * 1024;

/** etcd's minimal lease with default timing. */
const minLeaseTtlMs = 2_000;

interface Lease {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  cancelExpiry: CancelTimer;
  expiresAtMs: number;
}

/** A key at one revision; `value` undefined: deleted. */
interface Version {
  readonly modRevision: number;
  readonly row: KeyValue | undefined;
}

/**
 * The state of an etcd, in memory: what `MemoryStore` clients share. It keeps all history until `compact`.
 *
 * Invariants:
 * - `#history` and each key's versions ascend by revision; one revision is one batch of events;
 * - everything happens synchronously within a call, so a call is atomic;
 * - nothing is random: lease ids count, keys are sorted, expiry follows the clock.
 *
 * Keys compare by UTF-16 unit here and by byte in etcd: the same for all keys fleet writes (ASCII).
 */
export class MemoryEtcd {
  readonly #clock: Clock;
  readonly #versions = new Map<string, Version[]>();
  /** Keys of `#versions`, ascending; undefined after a key was added or dropped. */
  #sortedKeys: readonly string[] | undefined;
  readonly #leases = new Map<string, Lease>();
  readonly #listeners = new Set<() => void>();
  #history: WatchBatch[] = [];
  #revision = 1;
  #compacted = 0;
  #leaseCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get revision(): number {
    return this.#revision;
  }

  range(request: RangeRequest): RangeResult {
    const at = request.revision ?? this.#revision;
    if (at > this.#revision) throw new StoreError("etcd_failed", `revision ${at} is in the future`);
    if (at < this.#compacted) throw compactedError(at, this.#compacted);
    return { revision: this.#revision, ...this.#rowsAt(request, at) };
  }

  txn(request: TxnRequest): TxnResult {
    const { compares, failure = [] } = request;
    checkSize(request);
    const succeeded = compares.every((compare) => this.#holds(compare));
    const operations = succeeded ? request.success : failure;
    // Before anything is changed: a transaction is carried out as a whole or not at all.
    for (const operation of operations) {
      if (operation.op === "put" && operation.leaseId !== undefined) this.#lease(operation.leaseId);
    }
    const revision = this.#revision + 1;
    const events: WatchEvent[] = [];
    const results = operations.map((operation) => this.#carryOut(operation, revision, events));
    if (events.length > 0) this.#commit(revision, events);
    return { succeeded, revision: this.#revision, results };
  }

  /**
   * The revisions from `fromRevision` on that touch the range; everything up to `scannedTo` has been looked at.
   */
  eventsSince(
    range: KeyRange,
    fromRevision: number,
  ): { readonly batches: readonly WatchBatch[]; readonly scannedTo: number } {
    if (fromRevision <= this.#compacted) throw compactedError(fromRevision, this.#compacted);
    const batches: WatchBatch[] = [];
    for (let index = this.#historyIndex(fromRevision); index < this.#history.length; index += 1) {
      const batch = this.#history[index];
      const events = batch?.events.filter((event) => contains(range, keyOf(event))) ?? [];
      if (batch !== undefined && events.length > 0) batches.push({ revision: batch.revision, events });
    }
    return { batches, scannedTo: Math.max(fromRevision - 1, this.#revision) };
  }

  /** Calls `listener` after every revision, synchronously; returns how to end that. */
  onRevision(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  leaseGrant(ttlMs: number): LeaseGrant {
    this.#leaseCount += 1;
    const leaseId = String(this.#leaseCount);
    const granted = Math.max(minLeaseTtlMs, Math.ceil(ttlMs / 1000) * 1000);
    this.#leases.set(leaseId, {
      ttlMs: granted,
      keys: new Set(),
      cancelExpiry: this.#expiry(leaseId, granted),
      expiresAtMs: this.#clock.monotonic() + granted,
    });
    return { leaseId, ttlMs: granted };
  }

  leaseKeepAlive(leaseId: string): void {
    const lease = this.#lease(leaseId);
    lease.cancelExpiry();
    lease.cancelExpiry = this.#expiry(leaseId, lease.ttlMs);
    lease.expiresAtMs = this.#clock.monotonic() + lease.ttlMs;
  }

  leaseTimeToLive(leaseId: string): LeaseTime | undefined {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return undefined;
    const leftMs = lease.expiresAtMs - this.#clock.monotonic();
    return { atMostMs: (Math.floor(leftMs / 1000) + 1) * 1000, ttlMs: lease.ttlMs };
  }

  /** Ends a lease, if it is there, and deletes its keys in one revision. */
  leaseRevoke(leaseId: string): void {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return;
    lease.cancelExpiry();
    this.#leases.delete(leaseId);
    const revision = this.#revision + 1;
    const events: WatchEvent[] = [];
    for (const key of [...lease.keys].sort()) this.#delete(key, revision, events);
    if (events.length > 0) this.#commit(revision, events);
  }

  /** Every lease begins anew, as under a new leader of the members. */
  renewLeases(): void {
    for (const leaseId of this.#leases.keys()) this.leaseKeepAlive(leaseId);
  }

  /** The same data and history in a store of its own, with its leases at their beginning: a restored backup. */
  copy(): MemoryEtcd {
    const copy = new MemoryEtcd(this.#clock);
    for (const [key, versions] of this.#versions) copy.#versions.set(key, [...versions]);
    copy.#history = [...this.#history];
    copy.#revision = this.#revision;
    copy.#compacted = this.#compacted;
    copy.#leaseCount = this.#leaseCount;
    for (const [leaseId, { ttlMs, keys }] of this.#leases) {
      const cancelExpiry = copy.#expiry(leaseId, ttlMs);
      const expiresAtMs = this.#clock.monotonic() + ttlMs;
      copy.#leases.set(leaseId, { ttlMs, keys: new Set(keys), cancelExpiry, expiresAtMs });
    }
    return copy;
  }

  /** Forgets history before `revision`: reads and watches from before it fail from now on. */
  compact(revision = this.#revision): void {
    if (revision <= this.#compacted || revision > this.#revision) return;
    this.#compacted = revision;
    this.#history = this.#history.slice(this.#historyIndex(revision + 1));
    for (const [key, versions] of this.#versions) {
      const current = versions.findLastIndex((version) => version.modRevision <= revision);
      const kept = versions.slice(Math.max(0, current));
      if (kept[0]?.row === undefined && kept.length === 1) {
        this.#versions.delete(key);
        this.#sortedKeys = undefined;
      } else {
        this.#versions.set(key, kept);
      }
    }
  }

  /** Ends all timers: the state is not used any more. */
  close(): void {
    for (const lease of this.#leases.values()) lease.cancelExpiry();
    this.#leases.clear();
  }

  #expiry(leaseId: string, ttlMs: number): CancelTimer {
    return this.#clock.after(ttlMs, () => this.leaseRevoke(leaseId));
  }

  #lease(leaseId: string): Lease {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) throw new StoreError("etcd_lease_not_found", `lease ${leaseId} is not held`);
    return lease;
  }

  #commit(revision: number, events: readonly WatchEvent[]): void {
    this.#revision = revision;
    this.#history.push({ revision, events });
    for (const listener of [...this.#listeners]) listener();
  }

  #carryOut(operation: Operation, revision: number, events: WatchEvent[]): readonly KeyValue[] {
    switch (operation.op) {
      case "get":
        return this.#rowsAt(operation, revision).rows;
      case "put":
        this.#put(operation, revision, events);
        return [];
      case "delete":
        for (const key of [...this.#keysIn(operation)]) this.#delete(key, revision, events);
        return [];
    }
  }

  #rowsAt(request: RangeRequest, revision: number): Pick<RangeResult, "rows" | "more"> {
    const limit = request.limit ?? 0;
    const rows: KeyValue[] = [];
    for (const key of this.#keysIn(request)) {
      const row = this.#rowAt(key, revision);
      if (row === undefined) continue;
      if (limit > 0 && rows.length === limit) return { rows, more: true };
      rows.push(request.keysOnly === true ? { ...row, value: "" } : row);
    }
    return { rows, more: false };
  }

  #put(operation: Extract<Operation, { op: "put" }>, revision: number, events: WatchEvent[]): void {
    const { key, value, leaseId = "0" } = operation;
    const previous = this.#rowAt(key, revision);
    if (previous !== undefined) this.#leases.get(previous.leaseId)?.keys.delete(key);
    if (leaseId !== "0") this.#lease(leaseId).keys.add(key);
    const createRevision = previous?.createRevision ?? revision;
    const row: KeyValue = { key, value, createRevision, modRevision: revision, leaseId };
    this.#record(key, { modRevision: revision, row });
    events.push({ type: "put", row });
  }

  #delete(key: string, revision: number, events: WatchEvent[]): void {
    const previous = this.#rowAt(key, revision);
    if (previous === undefined) return;
    this.#leases.get(previous.leaseId)?.keys.delete(key);
    this.#record(key, { modRevision: revision, row: undefined });
    events.push({ type: "delete", key, modRevision: revision });
  }

  #record(key: string, version: Version): void {
    const versions = this.#versions.get(key);
    if (versions !== undefined) {
      versions.push(version);
      return;
    }
    this.#versions.set(key, [version]);
    this.#sortedKeys = undefined;
  }

  #rowAt(key: string, revision: number): KeyValue | undefined {
    return this.#versions.get(key)?.findLast((version) => version.modRevision <= revision)?.row;
  }

  #holds(compare: Compare): boolean {
    const row = this.#rowAt(compare.key, this.#revision);
    switch (compare.test) {
      case "absent":
        return row === undefined;
      case "present":
        return row !== undefined;
      case "createRevision":
        return (row?.createRevision ?? 0) === compare.equals;
      case "modRevision":
        return (row?.modRevision ?? 0) === compare.equals;
    }
  }

  #keysIn(range: KeyRange): readonly string[] {
    if (range.to === undefined) return this.#versions.has(range.from) ? [range.from] : [];
    this.#sortedKeys ??= [...this.#versions.keys()].sort();
    const keys = this.#sortedKeys;
    return keys.slice(firstNotBelow(keys, range.from), firstNotBelow(keys, range.to));
  }

  #historyIndex(fromRevision: number): number {
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#history[middle]?.revision ?? 0) < fromRevision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function firstNotBelow(keys: readonly string[], bound: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? "") < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

function keyOf(event: WatchEvent): string {
  return event.type === "put" ? event.row.key : event.key;
}

function contains(range: KeyRange, key: string): boolean {
  return range.to === undefined ? key === range.from : range.from <= key && key < range.to;
}

function compactedError(revision: number, compacted: number): StoreError {
  return new StoreError(
    "etcd_compacted",
    `revision ${revision} is compacted: history begins at ${compacted}`,
  );
}

/** What etcd refuses before it looks at the content. */
function checkSize(request: TxnRequest): void {
  const { success, failure = [] } = request;
  checkTxnSize(request);
  let bytes = 0;
  for (const operation of [...success, ...failure]) {
    bytes += operation.op === "put" ? Buffer.byteLength(operation.value) + operation.key.length : 0;
  }
  if (bytes > maxRequestBytes) throw new StoreError("etcd_too_large", "the request is too large");
  const written = new Set<string>();
  for (const operation of success) {
    if (operation.op !== "put") continue;
    if (written.has(operation.key)) throw new StoreError("etcd_failed", "a key is written twice");
    written.add(operation.key);
  }
}
