import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { WatchFilter, WatchUpdate } from "@fleet/api/client";
import { MemoryEtcd, MemoryStore, Registry, type Store } from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answering, RealEtcd } from "../registry/real-etcd.ts";
import { hello, Remembering } from "../registry/registry-bench.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

interface Etcd {
  client(): Store;
  compact(revision: number): Promise<void>;
  stop(): Promise<void>;
}

async function realEtcd(): Promise<Etcd> {
  const etcd = await RealEtcd.start();
  const probe = etcd.client();
  await answering(probe);
  probe.close();
  return {
    client: () => etcd.client(),
    compact: async (revision) => {
      const env = { ...process.env, ETCDCTL_API: "3" };
      await promisify(execFile)("etcdctl", ["--endpoints", etcd.endpoint, "compact", `${revision}`], { env });
    },
    stop: () => etcd.stop(),
  };
}

async function memoryEtcd(): Promise<Etcd> {
  const etcd = new MemoryEtcd(systemClock);
  return {
    client: () => new MemoryStore(etcd),
    compact: async (revision) => etcd.compact(revision),
    stop: async () => etcd.close(),
  };
}

/** Streams as clients have them, over all that is below them. */
describe.each([
  ["memory", memoryEtcd],
  ["etcd", realEtcd],
])("a stream over %s", (_name, start) => {
  const kinds = ["units", "states", "machines", "events"] as const;
  let etcd: Etcd;
  let prefixes = 0;
  let prefix: string;
  let stopping: AbortController;
  let closing: (() => Promise<void>)[];

  beforeAll(async () => {
    etcd = await start();
  });
  afterAll(() => etcd.stop());

  beforeEach(() => {
    prefixes += 1;
    prefix = `/streams/${prefixes}/`;
    stopping = new AbortController();
    closing = [];
  });

  afterEach(async () => {
    stopping.abort();
    for (const close of closing.reverse()) await close();
  });

  /** One daemon's API, and the registry below it. */
  async function daemon(): Promise<ServedApi & { readonly registry: Registry }> {
    const store = etcd.client();
    const registry = new Registry({
      store,
      prefix,
      memory: new Remembering(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    await registry.guard.open(stopping.signal);
    const served = await serveApi(registry, { deadlineMs: 2_000 });
    closing.push(async () => {
      await served.stop();
      store.close();
    });
    return { ...served, registry };
  }

  function open(at: ServedApi, filter: WatchFilter): () => Promise<WatchUpdate> {
    const updates = at.client.watch({ kinds, ...filter }, stopping.signal)[Symbol.asyncIterator]();
    return async () => {
      const result = await updates.next();
      if (result.done === true) throw new Error("the stream has ended");
      return result.value;
    };
  }

  async function put(registry: Registry, name: string): Promise<void> {
    await registry.intents.put({ name, options: hello, target: "loaded" });
  }

  test("that is cut off sees exactly what it missed, wherever it resumes; after compaction it begins anew", async () => {
    const first = await daemon();
    const { registry } = first;
    await put(registry, "a.service");
    await put(registry, "b.service");
    const before = await open(first, {})();
    if (before.type !== "snapshot" || before.cluster === undefined) throw new Error("no snapshot");
    const since = { revision: before.revision, cluster: before.cluster };

    const term = await registry.leadership.campaign({ machineId: "m1", ttlMs: 30_000 }, stopping.signal);
    closing.push(() => term.resign());
    await registry.intents.put({ name: "a.service", target: "launched" });
    await registry.intents.destroy("b.service");
    const event = { kind: "assigned", unit: "a.service", machineId: "m1", reason: "global" };
    const write = { sequence: 1, record: { atMs: 1, events: [event] }, keepFrom: undefined };
    await registry.recordEvents(term, write, stopping.signal);
    await put(registry, "c.service");

    const missed = {
      type: "delta",
      units: {
        put: [
          { name: "a.service", desiredState: "launched" },
          { name: "c.service", desiredState: "loaded" },
        ],
        removed: ["b.service"],
      },
      events: [{ kind: "assigned", unit: "a.service", machineID: "m1" }],
    };
    // The first may not have seen all of it yet: what it has not comes in the next message.
    expect(await foldedUntil(open(first, { since }), "c.service")).toMatchObject(missed);
    const second = await daemon();
    expect(await open(second, { since })()).toMatchObject(missed);

    await etcd.compact(registry.guard.revision);
    const third = await daemon();
    const again = open(third, { since });
    expect(await again()).toMatchObject({ type: "status", status: "resync" });
    expect(await again()).toMatchObject({ type: "snapshot", cluster: since.cluster });
    // The first remembers by itself what etcd has forgotten.
    expect(await open(first, { since })()).toMatchObject(missed);
  });
});

/** Messages folded into one delta, until a unit has come. */
async function foldedUntil(next: () => Promise<WatchUpdate>, unit: string) {
  const put = new Map<string, { readonly name: string; readonly desiredState: string }>();
  const removed = new Set<string>();
  const events: unknown[] = [];
  while (!put.has(unit)) {
    const update = await next();
    if (update.type !== "delta") throw new Error(`a ${update.type} came`);
    for (const each of update.units?.put ?? []) put.set(each.name, each);
    for (const name of update.units?.removed ?? []) removed.add(name);
    events.push(...(update.events ?? []));
  }
  return { type: "delta", units: { put: [...put.values()], removed: [...removed] }, events };
}
