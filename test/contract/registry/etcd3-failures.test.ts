import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { maxTxnOperations, type Store, type WatchBatch } from "@fleet/registry";
import { afterEach, describe, expect, test } from "vitest";
import { certificates } from "./certificates.ts";
import { answering, freePort, RealEtcd, type TlsFiles } from "./real-etcd.ts";

const run = promisify(execFile);

/** Undone in reverse after each test, whatever became of it. */
const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startEtcd(tls?: TlsFiles): Promise<RealEtcd> {
  const etcd = await RealEtcd.start(tls);
  cleanups.push(() => etcd.stop());
  return etcd;
}

function closing<S extends Store>(store: S): S {
  cleanups.push(() => store.close());
  return store;
}

function put(store: Store, key: string, value: string): Promise<{ readonly revision: number }> {
  return store.txn({ compares: [], success: [{ op: "put", key, value }] });
}

/** Accepts connections and never says a word, like a host behind a firewall that has dropped its answers. */
async function blackHole(): Promise<string> {
  const server: Server = createServer((socket) => cleanups.push(() => void socket.destroy()));
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  cleanups.push(() => void server.close());
  return `http://127.0.0.1:${port}`;
}

describe("an endpoint that is dead", () => {
  test.each([
    ["refuses connections", async () => `http://127.0.0.1:${await freePort()}`],
    ["accepts and says nothing", blackHole],
  ])("and %s fails every call before long", async (_, endpoint) => {
    const etcd = await startEtcd();
    const store = closing(etcd.client({ endpoints: [await endpoint()], requestTimeoutMs: 500 }));
    const startedAt = performance.now();
    const watch = store.watch({ from: "a", fromRevision: 1 }, new AbortController().signal);
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.range({ from: "a" }),
      () => put(store, "a", "1"),
      () => store.leaseGrant(5_000),
      () => store.leaseKeepAlive("1"),
      () => store.leaseTimeToLive("1"),
      () => store.leaseRevoke("1"),
      () => watch[Symbol.asyncIterator]().next(),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        name: "StoreError",
        code: expect.stringMatching(/^etcd_(unavailable|timeout)$/),
        retryable: true,
      });
    }
    expect(performance.now() - startedAt).toBeLessThan(6 * 1_500);
  });

  test("among others costs nothing but a moment", async () => {
    const etcd = await startEtcd();
    const dead = `http://127.0.0.1:${await freePort()}`;
    for (const first of [0, 0.6]) {
      // The random number chooses the endpoint to begin with.
      let asked = 0;
      const random = (): number => (asked++ === 0 ? first : Math.random());
      const store = closing(etcd.client({ endpoints: [dead, etcd.endpoint], random }));
      await answering(store);
      const { revision } = await put(store, "a", "1");
      const lease = await store.leaseGrant(5_000);
      await store.leaseKeepAlive(lease.leaseId);
      const stop = new AbortController();
      for await (const batch of store.watch({ from: "a", fromRevision: revision }, stop.signal)) {
        expect(batch.revision).toBe(revision);
        break;
      }
    }
  });

  test("a silent one among others is left after one deadline", async () => {
    const etcd = await startEtcd();
    let asked = 0;
    const random = (): number => (asked++ === 0 ? 0 : Math.random());
    const endpoints = [await blackHole(), etcd.endpoint];
    const store = closing(etcd.client({ endpoints, random, requestTimeoutMs: 500 }));
    await expect(put(store, "a", "1")).rejects.toMatchObject({ code: "etcd_timeout" });
    await answering(store);
    await put(store, "a", "2");
  });
});

test("leases are renewed again after etcd was silent, and after it was killed", async () => {
  const etcd = await startEtcd();
  const store = closing(etcd.client({ requestTimeoutMs: 500 }));
  await answering(store);
  const { leaseId } = await store.leaseGrant(60_000);
  const expired = await store.leaseGrant(60_000);
  await store.leaseRevoke(expired.leaseId);
  await store.leaseKeepAlive(leaseId);
  etcd.freeze();
  const unanswered = [store.leaseKeepAlive(leaseId), store.leaseKeepAlive(expired.leaseId)];
  for (const renewal of await Promise.allSettled(unanswered)) {
    expect(renewal).toMatchObject({ reason: { code: "etcd_timeout", retryable: true } });
  }
  etcd.thaw();
  await answering(store);
  // What was asked for while etcd was silent is answered by now, and answers nothing that is asked for since.
  await store.leaseKeepAlive(leaseId);
  await expect(store.leaseKeepAlive(expired.leaseId)).rejects.toMatchObject({ code: "etcd_lease_not_found" });
  await etcd.kill();
  await expect(store.leaseKeepAlive(leaseId)).rejects.toMatchObject({ retryable: true });
  await etcd.run();
  await answering(store);
  await store.leaseKeepAlive(leaseId);
});

/** A watch that has told something, of an etcd that is silent from now on; `over` resolves with what ends it. */
async function watchedUntilFrozen(requestTimeoutMs: number) {
  const etcd = await startEtcd();
  const store = closing(etcd.client({ requestTimeoutMs }));
  await answering(store);
  const { revision } = await put(store, "k", "0");
  const watch = store.watch({ from: "k", fromRevision: revision }, new AbortController().signal);
  const reader = watch[Symbol.asyncIterator]();
  await reader.next();
  etcd.freeze();
  cleanups.push(() => etcd.thaw());
  const over: Promise<unknown> = reader.next().catch((error: unknown) => error);
  return { store, over, startedAt: performance.now() };
}

describe("a watch", () => {
  test("ends when etcd is killed, and resumes from a restarted one without loss", async () => {
    const etcd = await startEtcd();
    const store = closing(etcd.client());
    await answering(store);
    let next = (await put(store, "k", "0")).revision + 1;
    const seen: string[] = [];
    const follow = async (until: string): Promise<void> => {
      const stop = new AbortController();
      for await (const batch of store.watch({ from: "k", fromRevision: next }, stop.signal)) {
        next = batch.revision + 1;
        for (const event of batch.events) if (event.type === "put") seen.push(event.row.value);
        if (seen.at(-1) === until) return;
      }
    };
    await put(store, "k", "1");
    await follow("1");
    const interrupted = expect(follow("never")).rejects.toMatchObject({ code: "etcd_unavailable" });
    await delay(100);
    await etcd.kill();
    await interrupted;
    await expect(put(store, "k", "lost")).rejects.toMatchObject({ retryable: true });
    await etcd.run();
    await answering(store);
    await put(store, "k", "2");
    await put(store, "k", "3");
    await follow("3");
    expect(seen).toEqual(["1", "2", "3"]);
  });

  test("notices within seconds that etcd has gone silent", async () => {
    const { over, startedAt } = await watchedUntilFrozen(1_000);
    expect(await over).toMatchObject({ code: "etcd_unavailable" });
    // The connection's own question tells, before the watch's.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test("is doubted at once when a call is not answered", async () => {
    const { store, over, startedAt } = await watchedUntilFrozen(500);
    // More than one, and none of them gives etcd longer to answer the watch.
    await expect(store.range({ from: "k" })).rejects.toMatchObject({ code: "etcd_timeout" });
    await expect(store.range({ from: "k" })).rejects.toMatchObject({ code: "etcd_timeout" });
    expect(await over).toMatchObject({ code: "etcd_unavailable" });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  test("stays open while nothing happens", async () => {
    const etcd = await startEtcd();
    const store = closing(etcd.client({ requestTimeoutMs: 500 }));
    await answering(store);
    const { revision } = await put(store, "k", "0");
    const watch = store.watch({ from: "k", fromRevision: revision + 1 }, new AbortController().signal);
    const next = watch[Symbol.asyncIterator]().next();
    // Longer than it takes to ask for a sign of life, and to give up what gives none.
    await delay(12_000);
    await put(store, "k", "1");
    expect((await next).value).toMatchObject({ events: [{ type: "put" }] } satisfies Partial<
      Record<keyof WatchBatch, unknown>
    >);
  });
});

test("user and password are asked for and renewed", async () => {
  const etcd = await startEtcd();
  const plain = closing(etcd.client());
  await answering(plain);
  const etcdctl = (...args: string[]): Promise<unknown> =>
    run("etcdctl", ["--endpoints", etcd.endpoint, ...args], {
      env: { PATH: process.env.PATH, ETCDCTL_API: "3" },
    });
  await etcdctl("user", "add", "root:secret");
  await etcdctl("user", "add", "fleet:pass");
  await etcdctl("role", "add", "fleet");
  await etcdctl("role", "grant-permission", "fleet", "--prefix=true", "readwrite", "/fleet/");
  await etcdctl("user", "grant-role", "fleet", "fleet");
  await etcdctl("auth", "enable");

  await expect(plain.range({ from: "/fleet/a" })).rejects.toMatchObject({ code: "etcd_denied" });
  const wrong = closing(etcd.client({ username: "fleet", password: "wrong" }));
  await expect(wrong.range({ from: "/fleet/a" })).rejects.toMatchObject({
    code: "etcd_denied",
    retryable: false,
  });

  const store = closing(etcd.client({ username: "fleet", password: "pass" }));
  const { revision } = await put(store, "/fleet/a", "1");
  // Nested transactions, in which etcd has to look for what the user may do.
  const success = Array.from({ length: maxTxnOperations }, (_, index) => {
    return { op: "put" as const, key: `/fleet/many/${index}`, value: "1" };
  });
  await expect(store.txn({ compares: [], success })).resolves.toMatchObject({ succeeded: true });
  const lease = await store.leaseGrant(5_000);
  await store.leaseKeepAlive(lease.leaseId);
  await expect(put(store, "/other/a", "1")).rejects.toMatchObject({ code: "etcd_denied" });
  await expect(
    store
      .watch({ from: "/other/a", fromRevision: 1 }, new AbortController().signal)
      [Symbol.asyncIterator]()
      .next(),
  ).rejects.toMatchObject({ code: "etcd_denied" });

  // Simple tokens do not survive a restart: as if they had expired.
  await etcd.kill();
  await etcd.run();
  await answering(store, "/fleet/a");
  const watched = async (): Promise<number> => {
    const request = { from: "/fleet/a", fromRevision: revision };
    for await (const batch of store.watch(request, new AbortController().signal)) return batch.revision;
    return 0;
  };
  // The first one may still find the old token; it is renewed for the next.
  expect(await watched().catch(() => watched())).toBe(revision);
  await put(store, "/fleet/a", "2");
});

test("TLS with client certificates", async () => {
  const scratch = await startEtcd();
  const files = await certificates(scratch.directory);
  const etcd = await startEtcd(files);
  const [ca, cert, key] = [files.ca, files.cert, files.key].map((file) => readFileSync(file));
  if (ca === undefined || cert === undefined || key === undefined) throw new Error("no certificates");
  const store = closing(etcd.client({ ca, cert, key }));
  await answering(store);
  await put(store, "a", "1");
  expect((await store.range({ from: "a" })).rows).toMatchObject([{ value: "1" }]);

  const uncertified = closing(etcd.client({ ca, requestTimeoutMs: 1_000 }));
  await expect(uncertified.range({ from: "a" })).rejects.toMatchObject({ name: "StoreError" });
  const untrusting = closing(etcd.client({ requestTimeoutMs: 1_000 }));
  await expect(untrusting.range({ from: "a" })).rejects.toMatchObject({ code: "etcd_denied" });
});
