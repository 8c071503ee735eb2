import { MemoryEtcd, MemoryStore } from "@fleet/registry";
import { expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { BreakableStore } from "./breakable-store.ts";

const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
const { signal } = new AbortController();

test("an etcd without its data is seeded anew, and the revisions of before hide nothing of it", async () => {
  const bench = new Bench();
  const store = new BreakableStore(new MemoryStore(bench.etcd));
  const registry = await bench.registry(store);
  const stop = new AbortController();
  const units = new Map<string, string>();
  const following = (async () => {
    for await (const { changes } of registry.followCluster(stop.signal)) {
      for (const change of changes) {
        if (change.kind !== "unit") continue;
        if (change.entry.status === "present") units.set(change.name, change.entry.value.target);
        else units.delete(change.name);
      }
    }
  })();
  for (let index = 0; index < 30; index += 1) {
    await registry.intents.put({ name: `u${index}.service`, options, target: "loaded" });
  }
  await bench.clock.advanceUntil(() => units.size === 30, 5_000);
  const { clusterId, revision } = registry.guard;

  const fresh = new MemoryEtcd(bench.clock);
  store.switchTo(new MemoryStore(fresh));
  await bench.clock.advanceUntil(() => registry.guard.frozen !== undefined, 10_000);
  expect(registry.guard.frozen).toMatchObject({ code: "cluster_missing" });
  expect(units.size).toBe(30);
  await registry.reseeding.begin(undefined, signal);
  expect(registry.guard).toMatchObject({ clusterId, epoch: 2, frozen: undefined, owesUnits: true });
  expect(registry.guard.revision).toBeLessThan(revision);
  // Each of them at a revision that was delivered before, of another unit or state.
  for (const index of [0, 1, 2, 3, 4]) {
    await registry.intents.put({ name: `u${index}.service`, options, target: "launched" });
  }
  await bench.clock.advanceUntil(() => units.size === 5, 20_000);
  await bench.clock.advanceUntil(() => [...units.values()].every((target) => target === "launched"), 5_000);
  expect([...units.keys()].sort()).toEqual([0, 1, 2, 3, 4].map((index) => `u${index}.service`));
  stop.abort();
  await expect(following).rejects.toMatchObject({ code: "aborted" });
});

test.each(["before", "after"])(
  "an answer that was on its way when the store was seeded anew is not taken for one of the new epoch (given %s it was wiped)",
  async (given) => {
    const bench = new Bench();
    const slow = new BreakableStore(new MemoryStore(bench.etcd));
    const registry = await bench.registry(slow);
    await registry.intents.put({ name: "a.service", options });
    const txn = slow.txn.bind(slow);
    const [held, answer] = gate();
    const [wiped, wipe] = gate();
    slow.txn = async (request) => {
      if (!request.success.some((each) => each.op === "get" && each.from.endsWith("units/a.service")))
        return await txn(request);
      if (given === "after") await wiped;
      const result = await txn(request);
      await held;
      return result;
    };
    const reading = registry.intents.read("a.service");
    bench.etcd.txn({ compares: [], success: [{ op: "delete", from: "/fleet/", to: "/fleet0" }] });
    wipe();
    await registry.reseeding.begin(undefined, signal);
    answer();
    await expect(reading).rejects.toMatchObject({ code: "cluster_reseeded" });
    expect(registry.guard.frozen).toBeUndefined();
  },
);

function gate(): readonly [passed: Promise<void>, open: () => void] {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [passed, open];
}
