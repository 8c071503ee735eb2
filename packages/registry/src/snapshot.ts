import type { KeyRange, KeyValue, Store } from "./store.ts";
import { StoreError } from "./store.ts";

/** Everything in a range at one revision. */
export interface Snapshot {
  readonly revision: number;
  /** Ascending by key. */
  readonly rows: readonly KeyValue[];
}

/** Rows asked for at once: of a few hundred bytes each, well below the 4 MiB that gRPC takes by default. */
const initialPageRows = 1000;

/**
 * Reads a whole range, all of it at one revision. A page too large to be received is asked for again with fewer rows.
 * Rejects with `etcd_compacted` when the revision is compacted away meanwhile.
 */
export async function readAll(store: Pick<Store, "range">, range: Required<KeyRange>): Promise<Snapshot> {
  const rows: KeyValue[] = [];
  let revision = 0;
  for await (const page of readPages(store, range)) {
    revision = page.revision;
    for (const row of page.rows) rows.push(row);
  }
  return { revision, rows };
}

/** As `readAll`, page by page: at `revision` or, without one, at that of the first page. There is one page at least. */
export async function* readPages(
  store: Pick<Store, "range">,
  range: Required<KeyRange>,
  revision?: number,
): AsyncGenerator<Snapshot, void> {
  let limit = initialPageRows;
  let from = range.from;
  let at = revision;
  for (;;) {
    try {
      const page = await store.range({
        from,
        to: range.to,
        limit,
        ...(at === undefined ? {} : { revision: at }),
      });
      at ??= page.revision;
      yield { revision: at, rows: page.rows };
      const last = page.rows.at(-1);
      if (!page.more || last === undefined) return;
      // The first key after `last` in byte order.
      from = `${last.key}\0`;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "etcd_too_large") || limit === 1) throw error;
      limit = Math.ceil(limit / 8);
    }
  }
}
