import { type ChangeBatch, MemoryEtcd, MemoryStore } from "@fleet/registry";
import { expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { BreakableStore } from "./breakable-store.ts";

test("a restored store is not believed, not even once it has grown past what was lost", async () => {
  const bench = new Bench();
  const store = new BreakableStore(new MemoryStore(bench.etcd));
  const registry = await bench.registry(store);
  const changes: string[] = [];
  const stop = new AbortController();
  const read = async (batches: AsyncIterable<ChangeBatch>): Promise<void> => {
    for await (const batch of batches) for (const { entry } of batch.changes) changes.push(entry.status);
  };
  const reading = read(registry.followCluster(stop.signal)).catch(() => {});
  for (let unit = 0; unit < 5; unit += 1) bench.put(`states/m1/u${unit}.service`, "{}");
  await bench.clock.settle();

  const backup = new MemoryEtcd(bench.clock);
  const identity = bench.etcd.range({ from: "/fleet/cluster" }).rows[0]?.value ?? "";
  const write = (key: string, value: string): void => {
    backup.txn({ compares: [], success: [{ op: "put", key, value }] });
  };
  write("/fleet/cluster", identity);
  store.switchTo(new MemoryStore(backup));
  await bench.clock.advance(1_000);
  expect(registry.guard.frozen?.code).toBe("cluster_rolled_back");

  for (let foreign = 0; foreign < 50; foreign += 1) write(`/other/${foreign}`, "");
  await bench.clock.advance(60_000);
  expect(registry.guard.frozen?.code).toBe("cluster_rolled_back");
  expect(changes).not.toContain("absent");
  stop.abort();
  await reading;
});
