import { MemoryStore, type StateRecord } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import { FaultyStore } from "../../simulation/faulty-store.ts";
import { Bench } from "./bench.ts";

const machineId = "a".repeat(32);
const running: StateRecord = {
  hash: "1".repeat(40),
  load: "loaded",
  active: "active",
  sub: "running",
  launched: true,
};

/** A registered machine whose next transaction is reported as failed and arrives some seconds later. */
async function registered() {
  const bench = new Bench();
  const store = new FaultyStore(new MemoryStore(bench.etcd), bench.clock, () => 0.5);
  const timed = async <Value>(work: Promise<Value>): Promise<Value> => {
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    work.then(end, end);
    await bench.clock.advanceUntil(() => ended, 10_000);
    return await work;
  };
  const registry = await timed(bench.registry(store));
  const request = { machineId, token: "t", publicIp: "", metadata: {}, version: "0", ttlMs: 60_000 };
  const outcome = await timed(registry.registrations.register(request, new AbortController().signal));
  if (outcome.outcome !== "registered") throw new Error("not registered");
  return { bench, store, timed, registration: outcome.registration };
}

describe("a write of unknown outcome that arrives late", () => {
  test("does not bring back a state row that has been removed since", async () => {
    const { bench, store, timed, registration } = await registered();
    store.delayWrites(1);
    const put = registration.publish({ put: [{ unit: "a.service", record: running }], remove: [] });
    await expect(timed(put)).rejects.toMatchObject({ code: "etcd_timeout" });
    store.delayWrites(0);
    await timed(registration.publish({ put: [], remove: ["a.service"] }));
    await bench.clock.advance(30_000);
    expect(bench.has(`states/${machineId}/a.service`)).toBe(false);
    expect(registration.lost.aborted).toBe(false);
  });

  test("does not take away a state row that has been written since", async () => {
    const { bench, store, timed, registration } = await registered();
    store.delayWrites(1);
    await expect(timed(registration.publish({ put: [], remove: ["a.service"] }))).rejects.toMatchObject({
      code: "etcd_timeout",
    });
    store.delayWrites(0);
    await timed(registration.publish({ put: [{ unit: "a.service", record: running }], remove: [] }));
    await bench.clock.advance(30_000);
    expect(bench.has(`states/${machineId}/a.service`)).toBe(true);
  });

  test("does not stay in the way of the next write when it was carried out after all", async () => {
    const { bench, store, timed, registration } = await registered();
    store.loseReplies(1);
    await expect(timed(registration.leaving())).rejects.toMatchObject({ code: "etcd_timeout" });
    store.loseReplies(0);
    await timed(registration.publish({ put: [{ unit: "a.service", record: running }], remove: [] }));
    expect(bench.has(`states/${machineId}/a.service`)).toBe(true);
    const [machine] = bench.etcd.range({ from: `${bench.prefix}machines/${machineId}` }).rows;
    expect(JSON.parse(machine?.value ?? "{}").leaving).toBe(true);
  });
});
