import { MemoryEtcd, MemoryStore, type RangeRequest, type RangeResult, StoreError } from "@fleet/registry";
import { expect, test } from "vitest";
import { readAll, readPages } from "../../../packages/registry/src/snapshot.ts";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";

const range = { from: "a/", to: "a0" };

function filled(count: number): MemoryEtcd {
  const etcd = new MemoryEtcd(new SimulatedClock());
  for (let index = 0; index < count; index += 1) put(etcd, `a/${String(index).padStart(5, "0")}`);
  put(etcd, "b/outside");
  return etcd;
}

function put(etcd: MemoryEtcd, key: string): void {
  etcd.txn({ compares: [], success: [{ op: "put", key, value: "x" }] });
}

test.each([0, 1, 3_999, 4_000, 4_001, 8_000, 9_345])("%i rows: each once, at one revision", async (count) => {
  const etcd = filled(count);
  const store = new MemoryStore(etcd);
  const revision = etcd.revision;
  let pages = 0;
  const snapshot = await readAll(
    {
      range: async (request) => {
        const page = await store.range(request);
        pages += 1;
        // Written behind the reader's back, before and after where it is.
        put(etcd, `a/00000-${pages}`);
        put(etcd, `a/99999-${pages}`);
        return page;
      },
    },
    range,
  );
  expect(snapshot.revision).toBe(revision);
  expect(snapshot.rows).toHaveLength(count);
  expect(new Set(snapshot.rows.map((row) => row.key)).size).toBe(count);
  expect(pages).toBe(Math.max(1, Math.ceil(count / 4_000)));
});

test("pages too large to be received get smaller, down to one row", async () => {
  const store = new MemoryStore(filled(20));
  const limits: number[] = [];
  const snapshot = await readAll(
    {
      range: async (request: RangeRequest): Promise<RangeResult> => {
        limits.push(request.limit ?? 0);
        if ((request.limit ?? 0) > 2) throw new StoreError("etcd_too_large", "message larger than max");
        return await store.range(request);
      },
    },
    range,
  );
  expect(snapshot.rows).toHaveLength(20);
  expect(limits[0]).toBeGreaterThan(2);
});

test("the next page is asked for before this one is read; one that fails is told when its turn comes", async () => {
  const store = new MemoryStore(filled(5_000));
  let asked = 0;
  const pages = readPages(
    {
      range: async (request) => {
        asked += 1;
        if (asked === 2) throw new StoreError("etcd_unavailable", "gone");
        return await store.range(request);
      },
    },
    range,
  );
  expect((await pages.next()).value?.rows).toHaveLength(4_000);
  expect(asked).toBe(2);
  await expect(pages.next()).rejects.toMatchObject({ code: "etcd_unavailable" });
});

test("a row that can never be received is an error", async () => {
  const read = readAll(
    {
      range: async () => {
        throw new StoreError("etcd_too_large", "message larger than max");
      },
    },
    range,
  );
  await expect(read).rejects.toMatchObject({ code: "etcd_too_large" });
});
