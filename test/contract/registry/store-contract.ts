import { setTimeout as delay } from "node:timers/promises";
import {
  type Compare,
  maxTxnOperations,
  type Operation,
  type Store,
  type TxnResult,
  type WatchBatch,
  type WatchRequest,
} from "@fleet/registry";
import { AbortedError } from "@fleet/runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** One store under contract, with what the port itself cannot do. */
export interface StoreUnderContract {
  readonly store: Store;
  /** Another client of the same etcd. */
  readonly other: Store;
  compact(revision: number): Promise<void>;
  stop(): Promise<void>;
}

interface Transaction {
  readonly compares: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

function txn(store: Store, { compares, success, failure = [] }: Transaction): Promise<TxnResult> {
  return store.txn({ compares, success, failure });
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

let prefixes = 0;

/** What every Store must do; run over the in-memory twin and over etcd itself. */
export function describeStore(name: string, start: () => Promise<StoreUnderContract>): void {
  describe(`${name} as a Store`, () => {
    let under: StoreUnderContract;
    let store: Store;

    beforeAll(async () => {
      under = await start();
      store = under.store;
    });

    afterAll(async () => {
      await under.stop();
    });

    /** Keys of one test only. */
    function keys(): (name: string) => string {
      prefixes += 1;
      const prefix = `/contract/${prefixes}/`;
      return (key) => `${prefix}${key}`;
    }

    function below(k: (name: string) => string): { from: string; to: string } {
      return { from: k(""), to: `${k("").slice(0, -1)}0` };
    }

    async function put(key: string, value: string, leaseId?: string): Promise<number> {
      const lease = leaseId === undefined ? {} : { leaseId };
      const result = await txn(store, { compares: [], success: [{ op: "put", key, value, ...lease }] });
      return result.revision;
    }

    async function values(range: { from: string; to?: string }, revision?: number): Promise<string[]> {
      const at = revision === undefined ? {} : { revision };
      const { rows } = await store.range({ ...range, ...at });
      return rows.map((row) => `${row.key.split("/").at(-1)}=${row.value}`);
    }

    describe("reading", () => {
      test("gives one key with its revisions and lease", async () => {
        const k = keys();
        const created = await put(k("a"), "1");
        const changed = await put(k("a"), "2");
        const { rows, revision, more } = await store.range({ from: k("a") });
        expect(rows).toEqual([
          { key: k("a"), value: "2", createRevision: created, modRevision: changed, leaseId: "0" },
        ]);
        expect(revision).toBeGreaterThanOrEqual(changed);
        expect(more).toBe(false);
      });

      test("gives nothing for a missing key", async () => {
        const k = keys();
        expect(await store.range({ from: k("a") })).toMatchObject({ rows: [], more: false });
      });

      test("gives a range in ascending order, the end excluded", async () => {
        const k = keys();
        for (const key of ["c", "a", "b", "d"]) await put(k(key), key);
        expect(await values({ from: k("a"), to: k("d") })).toEqual(["a=a", "b=b", "c=c"]);
      });

      test("reads as of an earlier revision", async () => {
        const k = keys();
        const first = await put(k("a"), "1");
        const second = await put(k("b"), "1");
        await put(k("a"), "2");
        await txn(store, { compares: [], success: [{ op: "delete", from: k("b") }] });
        expect(await values(below(k), first)).toEqual(["a=1"]);
        expect(await values(below(k), second)).toEqual(["a=1", "b=1"]);
        expect(await values(below(k))).toEqual(["a=2"]);
      });

      test("limits the rows and says that there are more", async () => {
        const k = keys();
        for (const key of ["a", "b", "c"]) await put(k(key), key);
        const page = await store.range({ ...below(k), limit: 2 });
        expect(page.rows.map((row) => row.value)).toEqual(["a", "b"]);
        expect(page.more).toBe(true);
        const rest = await store.range({ from: `${k("b")}\0`, to: below(k).to, limit: 2 });
        expect(rest.rows.map((row) => row.value)).toEqual(["c"]);
        expect(rest.more).toBe(false);
      });

      test("leaves the values out on request", async () => {
        const k = keys();
        const revision = await put(k("a"), "value");
        const { rows } = await store.range({ from: k("a"), keysOnly: true });
        expect(rows).toMatchObject([{ key: k("a"), value: "", modRevision: revision }]);
      });

      test("refuses a compacted revision", async () => {
        const k = keys();
        const old = await put(k("a"), "1");
        const now = await put(k("a"), "2");
        await under.compact(now);
        await expect(store.range({ from: k("a"), revision: old })).rejects.toMatchObject({
          code: "etcd_compacted",
          retryable: false,
        });
        expect(await values({ from: k("a"), to: k("b") }, now)).toEqual(["a=2"]);
      });
    });

    describe("transactions", () => {
      const present = async (k: (name: string) => string): Promise<{ created: number; changed: number }> => {
        const created = await put(k("p"), "1");
        return { created, changed: await put(k("p"), "2") };
      };

      test.each([
        ["absent holds for a missing key", "missing", "absent", true],
        ["absent fails for a present key", "p", "absent", false],
        ["present holds for a present key", "p", "present", true],
        ["present fails for a missing key", "missing", "present", false],
      ] as const)("%s", async (_, key, how, holds) => {
        const k = keys();
        await present(k);
        const result = await txn(store, {
          compares: [{ key: k(key), test: how }],
          success: [{ op: "put", key: k("r"), value: "then" }],
          failure: [{ op: "put", key: k("r"), value: "otherwise" }],
        });
        expect(result.succeeded).toBe(holds);
        expect(await values({ from: k("r") })).toEqual([holds ? "r=then" : "r=otherwise"]);
      });

      test.each([
        ["createRevision", "created", true],
        ["createRevision", "changed", false],
        ["modRevision", "changed", true],
        ["modRevision", "created", false],
      ] as const)("%s compared with the %s revision: %s", async (how, which, holds) => {
        const k = keys();
        const revisions = await present(k);
        const result = await txn(store, {
          compares: [{ key: k("p"), test: how, equals: revisions[which] }],
          success: [],
        });
        expect(result.succeeded).toBe(holds);
      });

      test("a missing key has revisions 0", async () => {
        const k = keys();
        const compares = (["createRevision", "modRevision"] as const).map(
          (how) => ({ key: k("missing"), test: how, equals: 0 }) as const,
        );
        expect((await txn(store, { compares, success: [] })).succeeded).toBe(true);
      });

      test("all compares must hold", async () => {
        const k = keys();
        await present(k);
        const result = await txn(store, {
          compares: [
            { key: k("p"), test: "present" },
            { key: k("p"), test: "absent" },
          ],
          success: [{ op: "put", key: k("p"), value: "3" }],
        });
        expect(result.succeeded).toBe(false);
        expect(await values({ from: k("p") })).toEqual(["p=2"]);
      });

      test("writes everything at one revision", async () => {
        const k = keys();
        const result = await txn(store, {
          compares: [],
          success: ["a", "b"].map((key) => ({ op: "put", key: k(key), value: key })),
        });
        const { rows } = await store.range(below(k));
        expect(rows.map((row) => row.modRevision)).toEqual([result.revision, result.revision]);
      });

      test("a transaction that only reads makes no revision", async () => {
        const k = keys();
        const before = await put(k("a"), "1");
        const result = await txn(store, { compares: [], success: [{ op: "get", from: k("a") }] });
        expect(result.revision).toBe(before);
      });

      test("answers each get in its place", async () => {
        const k = keys();
        for (const key of ["a", "b", "c"]) await put(k(key), key);
        const { results } = await txn(store, {
          compares: [],
          success: [
            { op: "get", from: k("b") },
            { op: "put", key: k("z"), value: "z" },
            { op: "get", from: k("missing") },
            { op: "get", from: k("a"), to: k("d"), limit: 2 },
          ],
        });
        expect(results.map((rows) => rows.map((row) => row.value))).toEqual([["b"], [], [], ["a", "b"]]);
      });

      test("deletes a range, and only that", async () => {
        const k = keys();
        for (const key of ["a", "b", "c"]) await put(k(key), key);
        await txn(store, { compares: [], success: [{ op: "delete", from: k("a"), to: k("c") }] });
        expect(await values(below(k))).toEqual(["c=c"]);
      });

      test("a key deleted and written again has a new create revision", async () => {
        const k = keys();
        await put(k("a"), "1");
        await txn(store, { compares: [], success: [{ op: "delete", from: k("a") }] });
        const again = await put(k("a"), "2");
        expect((await store.range({ from: k("a") })).rows[0]?.createRevision).toBe(again);
      });

      test.each([
        [128, 128, 128],
        [129, 64, 128],
        [maxTxnOperations, 64, maxTxnOperations],
      ])("takes %i operations with %i compares, else %i, as one", async (count, compared, other) => {
        const k = keys();
        const compares: Compare[] = range(compared).map((index) => ({ key: k(`${index}`), test: "absent" }));
        const success: Operation[] = range(count).map((index) => ({
          op: "put",
          key: k(`${index}`),
          value: `${index}`,
        }));
        const failure: Operation[] = range(other).map((index) => ({ op: "get", from: k(`${index}`) }));
        const first = await txn(store, { compares, success, failure });
        expect(first).toMatchObject({ succeeded: true, results: success.map(() => []) });
        const second = await txn(store, { compares, success, failure });
        expect(second).toMatchObject({ succeeded: false, revision: first.revision });
        expect(second.results.map((rows) => rows.map((row) => [row.value, row.modRevision]))).toEqual(
          range(other).map((index) => [[`${index}`, first.revision]]),
        );
      });

      test.each([
        [maxTxnOperations + 1, 0],
        [129, 65],
        [128, 129],
      ])("refuses %i operations with %i compares", async (count, compared) => {
        const k = keys();
        const compares: Compare[] = range(compared).map((index) => ({ key: k(`${index}`), test: "absent" }));
        const success: Operation[] = range(count).map((index) => ({
          op: "put",
          key: k(`${index}`),
          value: "x",
        }));
        await expect(txn(store, { compares, success })).rejects.toMatchObject({ code: "etcd_failed" });
        expect(await values(below(k))).toEqual([]);
      });

      test("refuses a key written twice, and writes nothing", async () => {
        const k = keys();
        const twice: Operation[] = ["1", "2"].map((value) => ({ op: "put", key: k("a"), value }));
        await expect(txn(store, { compares: [], success: twice })).rejects.toMatchObject({
          code: "etcd_failed",
        });
        expect(await values({ from: k("a") })).toEqual([]);
      });

      test("refuses a request that is too large", async () => {
        const k = keys();
        await expect(put(k("a"), "x".repeat(2 * 1024 * 1024))).rejects.toMatchObject({
          code: "etcd_too_large",
          retryable: false,
        });
      });

      test("of two that race for an absent key one wins", async () => {
        const k = keys();
        const claims = await Promise.all(
          [store, under.other].map((client, index) =>
            txn(client, {
              compares: [{ key: k("a"), test: "absent" }],
              success: [{ op: "put", key: k("a"), value: `${index}` }],
            }),
          ),
        );
        expect(claims.filter((claim) => claim.succeeded)).toHaveLength(1);
      });
    });

    describe("watching", () => {
      /** Collects until `count` events have come. */
      async function watched(request: WatchRequest, count: number): Promise<WatchBatch[]> {
        const stop = new AbortController();
        const batches: WatchBatch[] = [];
        for await (const batch of store.watch(request, stop.signal)) {
          batches.push(batch);
          if (batches.flatMap(({ events }) => events).length >= count) break;
        }
        stop.abort();
        return batches;
      }

      function told(batches: readonly WatchBatch[]): string[] {
        return batches.flatMap(({ events }) =>
          events.map((event) =>
            event.type === "put"
              ? `${event.row.key.split("/").at(-1)}=${event.row.value}`
              : `-${event.key.split("/").at(-1)}`,
          ),
        );
      }

      test("tells history from a held revision on, in order", async () => {
        const k = keys();
        await put(k("a"), "0");
        const from = await put(k("a"), "1");
        await put(k("b"), "2");
        await txn(store, { compares: [], success: [{ op: "delete", from: k("a") }] });
        expect(told(await watched({ ...below(k), fromRevision: from }, 3))).toEqual(["a=1", "b=2", "-a"]);
      });

      test("tells what happens while it is open, of its range only", async () => {
        const k = keys();
        const from = (await put(k("a"), "0")) + 1;
        const telling = watched({ from: k("a"), to: k("c"), fromRevision: from }, 2);
        await put(k("c"), "outside");
        await put(k("a"), "1");
        await put(k("b"), "2");
        expect(told(await telling)).toEqual(["a=1", "b=2"]);
      });

      test("watches a single key", async () => {
        const k = keys();
        const from = (await put(k("a"), "0")) + 1;
        const telling = watched({ from: k("a"), fromRevision: from }, 1);
        await put(k("ab"), "1");
        await put(k("a"), "2");
        expect(told(await telling)).toEqual(["a=2"]);
      });

      test("carries rows whole, and the revision of the last event", async () => {
        const k = keys();
        const from = await put(k("a"), "1");
        const now = await put(k("a"), "2");
        const batches = await watched({ from: k("a"), fromRevision: from }, 2);
        const last = batches.at(-1);
        expect(last?.revision).toBe(now);
        expect(last?.events.at(-1)).toEqual({
          type: "put",
          row: { key: k("a"), value: "2", createRevision: from, modRevision: now, leaseId: "0" },
        });
      });

      test("never splits a revision, however large", async () => {
        const k = keys();
        const value = "x".repeat(10_000);
        const from = (await put(k("start"), "")) + 1;
        const telling = watched({ ...below(k), fromRevision: from }, 300);
        for (const part of ["a", "b", "c"]) {
          const puts = Array.from(
            { length: 100 },
            (_, index) => ({ op: "put", key: k(`${part}${index}`), value }) as const,
          );
          await txn(store, { compares: [], success: puts });
        }
        for (const { events, revision } of await telling) {
          expect(events.length % 100).toBe(0);
          const last = events.at(-1);
          expect(last?.type === "put" ? last.row.modRevision : undefined).toBe(revision);
        }
      });

      test("tells a long backlog in order", async () => {
        const k = keys();
        const from = (await put(k("start"), "")) + 1;
        for (let round = 0; round < 30; round += 1) {
          const puts = Array.from(
            { length: 100 },
            (_, index) => ({ op: "put", key: k(`${index}`), value: "y".repeat(1000) }) as const,
          );
          await txn(store, { compares: [], success: puts });
        }
        const batches = await watched({ ...below(k), fromRevision: from }, 3000);
        const revisions = batches.flatMap(({ events }) =>
          events.map((event) => (event.type === "put" ? event.row.modRevision : 0)),
        );
        expect(revisions).toHaveLength(3000);
        expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
      });

      test("resumes after the last batch without loss or repetition", async () => {
        const k = keys();
        const from = await put(k("a"), "1");
        const first = await watched({ ...below(k), fromRevision: from }, 1);
        await put(k("a"), "2");
        await put(k("a"), "3");
        const next = (first.at(-1)?.revision ?? 0) + 1;
        expect(told(await watched({ ...below(k), fromRevision: next }, 2))).toEqual(["a=2", "a=3"]);
      });

      test("says that its start is compacted", async () => {
        const k = keys();
        const old = await put(k("a"), "1");
        await put(k("a"), "2");
        await under.compact(await put(k("a"), "3"));
        await expect(watched({ ...below(k), fromRevision: old }, 1)).rejects.toMatchObject({
          code: "etcd_compacted",
        });
      });

      test("ends with AbortedError when its signal fires, waiting or not", async () => {
        const k = keys();
        const from = (await put(k("a"), "1")) + 1;
        const stop = new AbortController();
        const ended = (async () => {
          for await (const batch of store.watch({ ...below(k), fromRevision: from }, stop.signal)) void batch;
        })();
        const outcome = expect(ended).rejects.toBeInstanceOf(AbortedError);
        await delay(20);
        stop.abort();
        await outcome;
        const again = store.watch({ ...below(k), fromRevision: from }, stop.signal)[Symbol.asyncIterator]();
        await expect(again.next()).rejects.toBeInstanceOf(AbortedError);
      });
    });

    describe("leases", () => {
      test("round the time up to whole seconds, two at least", async () => {
        expect((await store.leaseGrant(2_100)).ttlMs).toBe(3_000);
        expect((await store.leaseGrant(500)).ttlMs).toBeGreaterThanOrEqual(2_000);
      });

      test("delete all their keys in one revision when they expire", async () => {
        const k = keys();
        const { leaseId } = await store.leaseGrant(2_000);
        await put(k("kept"), "1");
        for (const key of ["a", "b"]) await put(k(key), "1", leaseId);
        const { rows, revision } = await store.range(below(k));
        expect(rows.map((row) => row.leaseId)).toEqual([leaseId, leaseId, "0"]);
        const stop = new AbortController();
        const batches = store.watch({ ...below(k), fromRevision: revision + 1 }, stop.signal);
        for await (const batch of batches) {
          expect(batch.events).toEqual([
            { type: "delete", key: k("a"), modRevision: batch.revision },
            { type: "delete", key: k("b"), modRevision: batch.revision },
          ]);
          break;
        }
        await expect(store.leaseKeepAlive(leaseId)).rejects.toMatchObject({ code: "etcd_lease_not_found" });
        await expect(put(k("late"), "1", leaseId)).rejects.toMatchObject({ code: "etcd_lease_not_found" });
        expect(await values(below(k))).toEqual(["kept=1"]);
      });

      test("live on while they are renewed", async () => {
        const k = keys();
        const { leaseId } = await store.leaseGrant(2_000);
        await put(k("a"), "1", leaseId);
        for (let round = 0; round < 4; round += 1) {
          await delay(900);
          await store.leaseKeepAlive(leaseId);
        }
        expect(await values(below(k))).toEqual(["a=1"]);
      });

      test("end at once when revoked, and revoking again is no error", async () => {
        const k = keys();
        const { leaseId } = await store.leaseGrant(10_000);
        await put(k("a"), "1", leaseId);
        await store.leaseRevoke(leaseId);
        expect(await values(below(k))).toEqual([]);
        await store.leaseRevoke(leaseId);
      });

      test("tell how long they have left, and are unknown afterwards", async () => {
        const { leaseId } = await store.leaseGrant(10_000);
        const time = await store.leaseTimeToLive(leaseId);
        expect(time?.ttlMs).toBe(10_000);
        expect(time?.atMostMs).toBeGreaterThan(8_000);
        expect(time?.atMostMs).toBeLessThanOrEqual(11_000);
        await store.leaseRevoke(leaseId);
        expect(await store.leaseTimeToLive(leaseId)).toBeUndefined();
      });

      test("let go of a key that is written without them or moved to another", async () => {
        const k = keys();
        const first = await store.leaseGrant(10_000);
        const second = await store.leaseGrant(10_000);
        for (const key of ["a", "b"]) await put(k(key), "1", first.leaseId);
        await put(k("a"), "2");
        await put(k("b"), "2", second.leaseId);
        await store.leaseRevoke(first.leaseId);
        expect(await values(below(k))).toEqual(["a=2", "b=2"]);
      });
    });

    test("a closed client rejects its calls and ends its watches", async () => {
      const k = keys();
      const from = (await put(k("a"), "1")) + 1;
      const ended = (async () => {
        const never = new AbortController().signal;
        for await (const batch of under.other.watch({ ...below(k), fromRevision: from }, never)) void batch;
      })();
      const outcome = expect(ended).rejects.toMatchObject({ code: "etcd_unavailable" });
      await delay(50);
      under.other.close();
      await outcome;
      await expect(under.other.range({ from: k("a") })).rejects.toMatchObject({ code: "etcd_unavailable" });
    });
  });
}
