import { MemoryStore, type Registration, type Registry, type Term } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { BreakableStore } from "./breakable-store.ts";

const never = new AbortController().signal;
const ttlMs = 6_000;

async function leading(): Promise<{ bench: Bench; store: BreakableStore; term: Term }> {
  const bench = new Bench();
  const store = new BreakableStore(new MemoryStore(bench.etcd));
  const { leadership } = await bench.registry(store);
  const term = await leadership.campaign({ machineId: "m1", ttlMs }, never);
  return { bench, store, term };
}

async function registered(bench: Bench, store: BreakableStore): Promise<Registration> {
  const { registrations } = await bench.registry(store);
  const result = await registrations.register(
    { machineId: "m1", token: "t", publicIp: "", metadata: {}, version: "2", ttlMs },
    never,
  );
  if (result.outcome !== "registered") throw new Error("refused");
  return result.registration;
}

describe("a lease", () => {
  test("lives for as long as it is renewed", async () => {
    const { bench, term } = await leading();
    await bench.clock.advance(10 * ttlMs);
    expect(term.lost.aborted).toBe(false);
    expect(bench.has("leader")).toBe(true);
  });

  test("counts as lost before etcd ends it, however the renewals fail", async () => {
    const { bench, store, term } = await leading();
    await bench.clock.advance(10_500);
    store.break();
    let lostAtMs = Number.NaN;
    term.lost.addEventListener("abort", () => {
      lostAtMs = bench.clock.monotonic();
    });
    await bench.clock.advanceUntil(() => !bench.has("leader"), 2 * ttlMs);
    expect(lostAtMs).toBeLessThan(bench.clock.monotonic());
    // The last renewal was sent at 10 s.
    expect(lostAtMs).toBe(10_000 + 0.9 * ttlMs);
    expect(term.lost.reason).toMatchObject({ code: "lease_lost" });
  });

  test("survives failures shorter than its time", async () => {
    const { bench, store, term } = await leading();
    await bench.clock.advance(1_900);
    store.break();
    await bench.clock.advance(3_000);
    store.broken = false;
    await bench.clock.advance(5 * ttlMs);
    expect(term.lost.aborted).toBe(false);
  });

  test("is lost at once when etcd says it is gone", async () => {
    const { bench, term } = await leading();
    const row = bench.etcd.range({ from: "/fleet/leader" }).rows[0];
    bench.etcd.leaseRevoke(row?.leaseId ?? "");
    await bench.clock.advance(ttlMs / 3);
    expect(term.lost.aborted).toBe(true);
  });

  test("that its leader took for lost, and etcd did not, is ended by that one, for whoever leads next", async () => {
    const bench = new Bench();
    const store = new BreakableStore(new MemoryStore(bench.etcd));
    const { leadership } = await bench.registry(store);
    const candidate = { machineId: "m1", ttlMs };
    const term = await leadership.campaign(candidate, never);
    const leaseId = bench.etcd.range({ from: "/fleet/leader" }).rows[0]?.leaseId ?? "";
    store.break();
    await bench.clock.advanceUntil(() => term.lost.aborted, ttlMs);
    // As etcd's members do when they elect a leader of their own: the lease's time begins anew.
    bench.etcd.leaseKeepAlive(leaseId);
    store.broken = false;
    let next: Term | undefined;
    void leadership.campaign(candidate, never).then((won) => {
      next = won;
    });
    await bench.clock.advance(ttlMs / 6);
    expect(next?.number).toBeGreaterThan(term.number);
  });

  test("leaves no timer behind when it is given up, and is not lost", async () => {
    const { bench, term } = await leading();
    await term.resign();
    expect(bench.clock.pending).toBe(0);
    await bench.clock.advance(2 * ttlMs);
    expect(term.lost.aborted).toBe(false);
  });

  test("of a machine is renewed at once for whoever asks, and its regular renewals go on", async () => {
    const bench = new Bench();
    const store = new BreakableStore(new MemoryStore(bench.etcd));
    const registration = await registered(bench, store);
    await bench.clock.advance(1_000);
    await Promise.all([registration.renew(), registration.renew()]);
    expect(registration.leaseDeadlineMs).toBe(1_000 + 0.9 * ttlMs);
    await bench.clock.advance(10 * ttlMs);
    expect(registration.lost.aborted).toBe(false);
    // The deadline is known from the clock alone, and etcd may have another opinion.
    const row = bench.etcd.range({ from: "/fleet/machines/m1" }).rows[0];
    bench.etcd.leaseRevoke(row?.leaseId ?? "");
    expect(registration.lost.aborted).toBe(false);
    await expect(registration.renew()).rejects.toMatchObject({ code: "etcd_lease_not_found" });
    expect(registration.lost.aborted).toBe(true);
    await expect(registration.renew()).rejects.toMatchObject({ code: "lease_lost" });
  });

  test("of a machine ends with its rows when the machine is not heard of", async () => {
    const bench = new Bench();
    const store = new BreakableStore(new MemoryStore(bench.etcd));
    const registration = await registered(bench, store);
    const record = { hash: "0".repeat(40), load: "loaded", active: "active", sub: "running", launched: true };
    await registration.publish({ put: [{ unit: "a.service", record }], remove: [] });
    store.break();
    await bench.clock.advance(ttlMs);
    expect(registration.lost.aborted).toBe(true);
    expect([bench.has("machines/m1"), bench.has("states/m1/a.service")]).toEqual([false, false]);
  });
});

describe("taking over", () => {
  test("that fails half way is taken up again: the machine is never gone", async () => {
    const bench = new Bench();
    const first = await registered(bench, new BreakableStore(new MemoryStore(bench.etcd)));
    const record = { hash: "0".repeat(40), load: "loaded", active: "active", sub: "running", launched: true };
    const put = Array.from({ length: 150 }, (_, index) => ({ unit: `u${index}.service`, record }));
    await first.publish({ put, remove: [] });
    const before = bench.etcd.revision;
    const store = new BreakableStore(new MemoryStore(bench.etcd));
    const registry = await bench.registry(store);
    const request = { machineId: "m1", token: "t", publicIp: "", metadata: {}, version: "2", ttlMs };
    store.losesAnswers = true;
    await expect(registry.registrations.register(request, never)).rejects.toMatchObject({
      code: "etcd_timeout",
    });
    store.losesAnswers = false;
    const result = await registry.registrations.register(request, never);
    if (result.outcome !== "registered") throw new Error("refused");
    expect(result.registration.number).toBe(first.number);
    expect(await result.registration.published()).toHaveProperty("size", 150);
    // What the earlier process and the failed attempt left runs out or was revoked, and takes nothing along.
    await bench.clock.advance(10 * ttlMs);
    expect(first.lost.aborted).toBe(true);
    const { batches } = bench.etcd.eventsSince({ from: "/fleet/", to: "/fleet0" }, before + 1);
    expect(batches.flatMap(({ events }) => events).filter(({ type }) => type === "delete")).toEqual([]);
    expect(await result.registration.published()).toHaveProperty("size", 150);
  });
});

describe("elections", () => {
  test("replace a leader that has gone within its time and a bit", async () => {
    const { bench, store } = await leading();
    const other = await bench.registry();
    let successor: Term | undefined;
    void other.leadership.campaign({ machineId: "m2", ttlMs }, never).then((term) => {
      successor = term;
    });
    await bench.clock.advance(10_500);
    expect(successor).toBeUndefined();
    store.break();
    expect(await bench.clock.advanceUntil(() => successor !== undefined, 20_000)).toBeLessThan(ttlMs + 500);
  });

  test("tell a winner since when it has had etcd", async () => {
    const { bench, store, term } = await leading();
    expect(term.inTouchSinceMs).toBe(0);
    const standbyStore = new BreakableStore(new MemoryStore(bench.etcd));
    const standby = await bench.registry(standbyStore);
    const steady = await bench.registry();
    const won: Term[] = [];
    const campaign = async ({ leadership }: Registry, machineId: string): Promise<void> => {
      won.push(await leadership.campaign({ machineId, ttlMs }, never));
    };
    void campaign(standby, "m2");
    await bench.clock.advance(10_000);
    standbyStore.break();
    await bench.clock.advance(5_000);
    standbyStore.broken = false;
    await bench.clock.advance(5_000);
    store.break();
    await bench.clock.advanceUntil(() => won.length === 1, 20_000);
    // It had noticed, and was back before the leader went.
    expect(won[0]?.inTouchSinceMs).toBeGreaterThanOrEqual(15_000);
    expect(won[0]?.inTouchSinceMs).toBeLessThan(20_000);

    void campaign(steady, "m3");
    const steadySinceMs = bench.clock.monotonic();
    await bench.clock.advance(1_000);
    standbyStore.break();
    await bench.clock.advanceUntil(() => won.length === 2, 20_000);
    expect(won[1]?.inTouchSinceMs).toBe(steadySinceMs);
  });

  test("never have two leaders at a time, whatever breaks", async () => {
    const bench = new Bench();
    const held = new Set<number>();
    let most = 0;
    let terms = 0;
    const stores = [0, 1, 2].map(() => new BreakableStore(new MemoryStore(bench.etcd)));
    for (const [index, store] of stores.entries()) {
      const { leadership } = await bench.registry(store);
      void (async () => {
        for (;;) {
          const term = await leadership.campaign({ machineId: `m${index}`, ttlMs: 3_000 }, never);
          terms += 1;
          held.add(term.number);
          most = Math.max(most, held.size);
          await new Promise((resolve) => term.lost.addEventListener("abort", resolve));
          held.delete(term.number);
        }
      })();
    }
    for (let round = 0; round < 40; round += 1) {
      const store = stores[round % 3];
      if (round % 4 === 0) store?.break();
      else if (store !== undefined) {
        store.broken = false;
        store.losesAnswers = round % 5 === 0;
      }
      await bench.clock.advance(1_700);
    }
    expect(terms).toBeGreaterThan(3);
    expect(most).toBe(1);
  });

  test("go on after an answer that got lost", async () => {
    const bench = new Bench();
    const store = new BreakableStore(new MemoryStore(bench.etcd));
    const { leadership } = await bench.registry(store);
    store.losesAnswers = true;
    let term: Term | undefined;
    void leadership.campaign({ machineId: "m1", ttlMs }, never).then((elected) => {
      term = elected;
    });
    await bench.clock.advance(1_000);
    expect(term).toBeUndefined();
    store.losesAnswers = false;
    // The lease of the attempt in doubt was given back: nobody waits until it has run out.
    await bench.clock.advanceUntil(() => term !== undefined, ttlMs / 2);
  });
});
