// The library alone, nothing of fleet's, in a process as fresh as that of a new leader: V8 compiles for both of them.

import { Etcd3, Range } from "etcd3";

/** As JSON, the only argument. */
export interface RawWritesOptions {
  readonly endpoints: readonly string[];
  /** The rows with keys that begin like this are put anew, each under `to` and its own key. */
  readonly from: string;
  /** But for those with keys that end like this. */
  readonly except: string;
  readonly to: string;
}

/** What it tells before it ends. */
export interface RawWritesMessage {
  readonly rows: number;
  /** What it took to put them, in transactions as large as etcd takes them. */
  readonly seconds: number;
}

/** As many as an engine has under way for a plan. */
const TRANSACTIONS_IN_FLIGHT = 8;
const TRANSACTION_ROWS = 128;
/** An answer of 100 000 rows is larger than gRPC takes. */
const PAGE_ROWS = 5_000;

interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

const { endpoints, from, except, to }: RawWritesOptions = JSON.parse(process.argv[2] ?? "{}");
const client = new Etcd3({ hosts: [...endpoints] });

async function readRows(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const { start, end } = Range.prefix(from);
  for (let key = start; ; ) {
    const { kvs, more } = await client.kv.range({ key, range_end: end, limit: PAGE_ROWS });
    rows.push(...kvs.filter((row) => !row.key.toString().endsWith(except)));
    const last = kvs.at(-1);
    if (!more || last === undefined) return rows;
    key = Buffer.concat([last.key, Buffer.of(0)]);
  }
}

/** Seconds to put them below `prefix`. */
async function putSeconds(rows: readonly Row[], prefix: string): Promise<number> {
  const copies = rows.map(({ key, value }) => ({ key: Buffer.concat([Buffer.from(prefix), key]), value }));
  const begunMs = performance.now();
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let at = next; at < copies.length; at = next) {
      next += TRANSACTION_ROWS;
      const success = copies.slice(at, at + TRANSACTION_ROWS).map((row) => ({ request_put: row }));
      await client.kv.txn({ success });
    }
  };
  await Promise.all(Array.from({ length: TRANSACTIONS_IN_FLIGHT }, writer));
  return (performance.now() - begunMs) / 1_000;
}

const rows = await readRows();
const message: RawWritesMessage = { rows: rows.length, seconds: await putSeconds(rows, to) };
client.close();
process.send?.(message);
process.disconnect?.();
