import type { KeyRange, KeyValue, RangeResult, Store } from "./store.ts";
import { StoreError } from "./store.ts";

/** Everything in a range at one revision. */
export interface Snapshot {
  readonly revision: number;
  /** Ascending by key. */
  readonly rows: readonly KeyValue[];
}

/**
 * Rows asked for at once. etcd looks at every key from the page to the end of the range, however few it gives, so small
 * pages of a large range cost it far more than the rows themselves; large ones keep us for too long at a time.
 */
const initialPageRows = 4_000;

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

/**
 * As `readAll`, page by page: at `revision` or, without one, at that of the first page. There is one page at least. The
 * next page is asked for before the reader has this one, so that etcd and the reader work at the same time.
 */
export async function* readPages(
  store: Pick<Store, "range">,
  range: Required<KeyRange>,
  revision?: number,
): AsyncGenerator<Snapshot, void> {
  let limit = initialPageRows;
  const pageFrom = async (from: string, at: number | undefined): Promise<RangeResult> => {
    for (;;) {
      try {
        return await store.range({
          from,
          to: range.to,
          limit,
          ...(at === undefined ? {} : { revision: at }),
        });
      } catch (error) {
        if (!(error instanceof StoreError && error.code === "etcd_too_large") || limit === 1) throw error;
        limit = Math.ceil(limit / 8);
      }
    }
  };
  let next: Promise<RangeResult> | undefined = pageFrom(range.from, revision);
  for (let at = revision; next !== undefined; ) {
    const page: RangeResult = await next;
    at ??= page.revision;
    const last = page.rows.at(-1);
    // The first key after `last` in byte order.
    next = page.more && last !== undefined ? pageFrom(`${last.key}\0`, at) : undefined;
    // It is waited for later, or, by a reader who has had enough, not at all.
    next?.catch(() => {});
    yield { revision: at, rows: page.rows };
  }
}
