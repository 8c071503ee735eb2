import { MeasuredStore, MemoryEtcd, MemoryStore, Registry, type RememberedCluster } from "@fleet/registry";
import { AbortedError, silentLogger } from "@fleet/runtime";
import { beforeEach, describe, expect, test } from "vitest";
import { PrometheusMetrics } from "../../../packages/fleetd/src/prometheus-metrics.ts";
import { parseExposition, sampleValue } from "../../contract/metrics/exposition-format.ts";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";
import { BreakableStore } from "./breakable-store.ts";

let clock: SimulatedClock;
let etcd: MemoryEtcd;
let breakable: BreakableStore;
let store: MeasuredStore;
let metrics: PrometheusMetrics;
let registry: Registry;
const never = new AbortController().signal;

beforeEach(() => {
  clock = new SimulatedClock();
  etcd = new MemoryEtcd(clock);
  breakable = new BreakableStore(new MemoryStore(etcd));
  metrics = new PrometheusMetrics();
  store = new MeasuredStore(breakable, clock, metrics);
  const memory = {
    load: async (): Promise<RememberedCluster | undefined> => undefined,
    save: async () => {},
  };
  registry = new Registry({
    store,
    prefix: "/fleet/",
    memory,
    clock,
    random: () => 0.5,
    logger: silentLogger,
    metrics,
  });
});

async function read(name: string, labels?: Readonly<Record<string, string>>): Promise<number | undefined> {
  return sampleValue(parseExposition(await metrics.text()), name, labels);
}

function requests(operation: string): Promise<number | undefined> {
  return read("fleet_registry_request_duration_seconds_count", { operation });
}

function failures(operation: string, code: string): Promise<number | undefined> {
  return read("fleet_registry_request_failures_total", { operation, code });
}

describe("requests to the store", () => {
  test("are counted by operation", async () => {
    await store.range({ from: "/a" });
    await store.range({ from: "/b" });
    await store.txn({ compares: [], success: [] });
    const { leaseId } = await store.leaseGrant(5_000);
    await store.leaseKeepAlive(leaseId);
    await store.leaseRevoke(leaseId);
    const counts = ["range", "txn", "lease_grant", "lease_keepalive", "lease_revoke"].map(requests);
    expect(await Promise.all(counts)).toEqual([2, 1, 1, 1, 1]);
  });

  test("are timed by the clock, also when they fail", async () => {
    const slow = { range: () => clock.advance(40).then(() => Promise.reject(new Error("x"))) };
    const measured = new MeasuredStore(Object.assign(new MemoryStore(etcd), slow), clock, metrics);
    await expect(measured.range({ from: "/a" })).rejects.toThrow("x");
    expect(await read("fleet_registry_request_duration_seconds_sum")).toBeCloseTo(0.04);
  });

  test("that fail are counted by code, and leave the last answer where it was", async () => {
    expect(await read("fleet_registry_last_answer_timestamp_seconds")).toBeUndefined();
    await store.range({ from: "/a" });
    const answeredAt = clock.now() / 1_000;
    await clock.advance(7_000);
    breakable.break();
    await expect(store.range({ from: "/a" })).rejects.toThrow();
    await expect(store.leaseKeepAlive("1")).rejects.toThrow();
    expect(await failures("range", "etcd_unavailable")).toBe(1);
    expect(await failures("lease_keepalive", "etcd_unavailable")).toBe(1);
    expect(await read("fleet_registry_last_answer_timestamp_seconds")).toBe(answeredAt);
  });

  test("that their caller ends have not failed", async () => {
    const stop = new AbortController();
    const watch = store.watch({ from: "/a", fromRevision: 1 }, stop.signal)[Symbol.asyncIterator]();
    const next = watch.next();
    stop.abort();
    await expect(next).rejects.toBeInstanceOf(AbortedError);
    expect(await metrics.text()).not.toContain('operation="watch"');
  });
});

describe("following", () => {
  async function follow(): Promise<() => Promise<void>> {
    await registry.guard.open(never);
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _batch of registry.followCluster(stop.signal));
    })().catch(() => {});
    await clock.settle();
    return () => {
      stop.abort();
      return reading;
    };
  }

  function write(key: string): void {
    etcd.txn({ compares: [], success: [{ op: "put", key: `/fleet/${key}`, value: "{}" }] });
  }

  test("counts a watch that is taken up again, and nothing before", async () => {
    const stop = await follow();
    expect(await read("fleet_registry_watch_reconnects_total")).toBe(0);
    breakable.break();
    await clock.advance(3_000);
    expect(await read("fleet_registry_watch_reconnects_total")).toBe(0);
    breakable.broken = false;
    await clock.advance(10_000);
    expect(await read("fleet_registry_watch_reconnects_total")).toBe(1);
    expect(await read("fleet_registry_relists_total")).toBe(0);
    expect(await failures("watch", "etcd_unavailable")).toBe(1);
    await stop();
  });

  test("counts reading everything again after a compaction", async () => {
    const stop = await follow();
    breakable.break();
    write("units/a.service");
    write("units/b.service");
    etcd.compact();
    breakable.broken = false;
    await clock.advance(10_000);
    expect(await read("fleet_registry_relists_total")).toBe(1);
    expect(await failures("watch", "etcd_compacted")).toBe(1);
    await stop();
  });
});

test("what is in etcd is not trusted: says why", async () => {
  const frozen = (code: string) => read("fleet_registry_frozen", { code });
  expect([await frozen("cluster_unverified"), await frozen("cluster_missing")]).toEqual([1, 0]);
  await registry.guard.open(never);
  expect([await frozen("cluster_unverified"), await frozen("cluster_missing")]).toEqual([0, 0]);
  expect(await read("fleet_registry_revision")).toBe(registry.guard.revision);
  etcd.txn({ compares: [], success: [{ op: "delete", from: "/fleet/", to: "/fleet0" }] });
  await expect(registry.guard.verify()).rejects.toMatchObject({ code: "cluster_missing" });
  expect([await frozen("cluster_unverified"), await frozen("cluster_missing")]).toEqual([0, 1]);
});
