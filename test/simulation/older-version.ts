import type {
  KeyValue,
  Operation,
  RangeRequest,
  RangeResult,
  Store,
  TxnRequest,
  TxnResult,
  WatchBatch,
  WatchEvent,
  WatchRequest,
} from "@fleet/registry";

/** Fields that came later than the first version, in whichever record. */
const laterFields: ReadonlySet<string> = new Set(["restart"]);
/** Keys that the first version does not know. */
const laterKeys = /\/(restarts|events)\//;

/**
 * What a fleetd of the first version sees of the store and writes to it: neither requests to restart units nor the fields
 * of other records that belong to them, nor records of events.
 */
export function asOlderVersion(store: Store): Store {
  return {
    range: async (request: RangeRequest): Promise<RangeResult> => {
      const result = await store.range(request);
      return { ...result, rows: visibleRows(result.rows) };
    },
    txn: async (request: TxnRequest): Promise<TxnResult> => {
      const { compares, success, failure = [] } = request;
      const result = await store.txn({
        compares,
        success: success.flatMap(olderOperation),
        failure: failure.flatMap(olderOperation),
      });
      return { ...result, results: result.results.map(visibleRows) };
    },
    watch: (request: WatchRequest, signal: AbortSignal) => visibleBatches(store.watch(request, signal)),
    leaseGrant: (ttlMs) => store.leaseGrant(ttlMs),
    leaseKeepAlive: (leaseId) => store.leaseKeepAlive(leaseId),
    leaseTimeToLive: (leaseId) => store.leaseTimeToLive(leaseId),
    leaseRevoke: (leaseId) => store.leaseRevoke(leaseId),
    close: () => store.close(),
  };
}

async function* visibleBatches(batches: AsyncIterable<WatchBatch>): AsyncIterable<WatchBatch> {
  for await (const { revision, events } of batches) {
    const visible = events.flatMap(visibleEvent);
    if (visible.length > 0) yield { revision, events: visible };
  }
}

function visibleEvent(event: WatchEvent): readonly WatchEvent[] {
  if (event.type === "delete") return laterKeys.test(event.key) ? [] : [event];
  return visibleRows([event.row]).map((row) => ({ type: "put", row }));
}

function visibleRows(rows: readonly KeyValue[]): readonly KeyValue[] {
  return rows
    .filter(({ key }) => !laterKeys.test(key))
    .map((row) => ({ ...row, value: withoutLaterFields(row.value) }));
}

function olderOperation(operation: Operation): readonly Operation[] {
  if (operation.op !== "put") return [operation];
  if (laterKeys.test(operation.key)) return [];
  return [{ ...operation, value: withoutLaterFields(operation.value) }];
}

function withoutLaterFields(value: string): string {
  if (!value.includes('"restart"')) return value;
  try {
    const record: unknown = JSON.parse(value);
    if (typeof record !== "object" || record === null) return value;
    return JSON.stringify(
      Object.fromEntries(Object.entries(record).filter(([name]) => !laterFields.has(name))),
    );
  } catch {
    return value;
  }
}
