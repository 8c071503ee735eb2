import { MemoryStore, StoreError, type TxnRequest, type TxnResult, type UnitIntents } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { BreakableStore } from "./breakable-store.ts";

const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
const large = [{ section: "Service", name: "ExecStart", value: `/bin/echo ${"x".repeat(300 * 1024)}` }];

/** Counts the transactions that write, and leaves some unanswered. */
class WatchedStore extends BreakableStore {
  writes = 0;
  mostOperations = 0;
  unanswered = 0;

  override async txn(request: TxnRequest): Promise<TxnResult> {
    if (this.unanswered > 0) {
      this.unanswered -= 1;
      throw new StoreError("etcd_timeout", "no answer");
    }
    if (request.success.some(({ op }) => op !== "get")) this.writes += 1;
    this.mostOperations = Math.max(this.mostOperations, request.success.length, request.compares.length);
    return await super.txn(request);
  }
}

async function ready(): Promise<{ bench: Bench; store: WatchedStore; intents: UnitIntents }> {
  const bench = new Bench();
  const store = new WatchedStore(new MemoryStore(bench.etcd));
  const { intents } = await bench.registry(store);
  store.writes = 0;
  return { bench, store, intents };
}

const names = Array.from({ length: 300 }, (_, index) => `u${index}.service`);

describe("units that are put at once", () => {
  test("are written in a few transactions, none of more operations than etcd takes", async () => {
    const { store, intents } = await ready();
    const created = await Promise.all(names.map((name) => intents.put({ name, options })));
    expect(new Set(created.map(({ outcome }) => outcome))).toEqual(new Set(["created"]));
    expect(store.writes).toBeLessThan(10);
    const launched = await Promise.all(names.map((name) => intents.put({ name, target: "launched" })));
    expect(new Set(launched.map(({ outcome }) => outcome))).toEqual(new Set(["changed"]));
    expect(store.writes).toBeLessThan(20);
    expect(store.mostOperations).toBeLessThanOrEqual(128);
    for (const name of names) {
      expect(await intents.read(name)).toMatchObject({ options, record: { target: "launched" } });
    }
  });

  test("are decided each by itself: what another daemon has created meanwhile is in nobody's way", async () => {
    const { bench, intents } = await ready();
    const other = (await bench.registry()).intents;
    const both = await Promise.all(
      names.flatMap((name) => [
        intents.put({ name, options, target: "loaded" }),
        other.put({ name, options, target: "loaded" }),
      ]),
    );
    const outcomes = both.map(({ outcome }) => outcome).sort();
    expect(outcomes).toEqual([...names.map(() => "created"), ...names.map(() => "unchanged")]);
  });

  test("and are the same unit are created once", async () => {
    const { intents } = await ready();
    const same = await Promise.all(
      names.map(() => intents.put({ name: "a.service", options, target: "loaded" })),
    );
    expect(same.filter(({ outcome }) => outcome === "created")).toHaveLength(1);
    expect(same.filter(({ outcome }) => outcome === "unchanged")).toHaveLength(names.length - 1);
  });

  test("and are large do not share a transaction", async () => {
    const { store, intents } = await ready();
    const contents = [1, 2, 3, 4].map((each) => [
      ...large,
      { section: "Unit", name: "Description", value: `${each}` },
    ]);
    await Promise.all(
      contents.map((content, index) => intents.put({ name: `l${index}.service`, options: content })),
    );
    expect(store.writes).toBe(4);
  });

  test("all fail when the store does not answer one of them, and none is written afterwards", async () => {
    const { bench, store, intents } = await ready();
    store.unanswered = 1;
    const outcomes = await Promise.allSettled(names.map((name) => intents.put({ name, options })));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["rejected"]));
    expect(names.some((name) => bench.has(`units/${name}`))).toBe(false);
    await expect(intents.put({ name: "a.service", options })).resolves.toMatchObject({ outcome: "created" });
  });
});
