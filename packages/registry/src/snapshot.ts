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
 * Reads a whole range in pages, all of them at the revision of the first one. A page too large to be received is
 * asked for again with fewer rows. Rejects with `etcd_compacted` when the revision is compacted away meanwhile.
 */
export async function readAll(store: Pick<Store, "range">, range: Required<KeyRange>): Promise<Snapshot> {
  const rows: KeyValue[] = [];
  let limit = initialPageRows;
  let from = range.from;
  let revision: number | undefined;
  for (;;) {
    try {
      const page = await store.range({
        from,
        to: range.to,
        limit,
        ...(revision === undefined ? {} : { revision }),
      });
      revision ??= page.revision;
      for (const row of page.rows) rows.push(row);
      const last = page.rows.at(-1);
      if (!page.more || last === undefined) return { revision, rows };
      // The first key after `last` in byte order.
      from = `${last.key}\0`;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "etcd_too_large") || limit === 1) throw error;
      limit = Math.ceil(limit / 8);
    }
  }
}
