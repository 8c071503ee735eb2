import { unitHash } from "@fleet/core";
import type { Change, ChangeBatch } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import { hello, type RegistryBench } from "./registry-bench.ts";

/** Nothing lost, doubled or out of order, whatever happens to the connection. */
export function describeFollowing(bench: RegistryBench): void {
  const { prefix, ready, write, wipe, signal } = bench;

  describe("following", () => {
    async function take(batches: AsyncIterator<ChangeBatch>): Promise<ChangeBatch> {
      const { value, done } = await batches.next();
      if (done === true) throw new Error("following ended");
      return value;
    }

    function told(changes: readonly Change[]): string[] {
      return changes.map(({ kind, entry, ...subject }) =>
        [kind, ...Object.values(subject), entry.status].join(" "),
      );
    }

    test("an empty machine is told as an empty batch; then exactly what changes", async () => {
      const at = prefix();
      const registry = await ready(at);
      const ended = new AbortController();
      const batches = registry.followMachine("m1", ended.signal)[Symbol.asyncIterator]();
      expect((await take(batches)).changes).toEqual([]);
      await write(`${at}assignments/m1/a.service`, "garbage");
      await write(`${at}assignments/m10/b.service`, "{}");
      await write(`${at}assignments/m1/@settled`, JSON.stringify({ v: 1, registration: 7 }));
      // etcd may tell several revisions at once.
      const changes: Change[] = [];
      while (changes.length < 2) changes.push(...(await take(batches)).changes);
      expect(changes).toMatchObject([
        { kind: "assignment", machineId: "m1", unit: "a.service", entry: { status: "corrupt" } },
        {
          kind: "settled",
          machineId: "m1",
          entry: { status: "present", value: { registration: 7 } },
        },
      ]);
      const waiting = expect(batches.next()).rejects.toMatchObject({ code: "aborted" });
      ended.abort();
      await waiting;
    });

    test("the cluster is told with all its kinds", async () => {
      const at = prefix();
      const registry = await ready(at);
      await registry.intents.put({ name: "a.service", options: hello, target: "loaded" });
      await write(`${at}metadata/m1/role`, JSON.stringify({ v: 1, removed: true }));
      await write(`${at}something/else`, "not ours");
      const term = await registry.leadership.campaign({ machineId: "m1", ttlMs: 5_000 }, signal);
      const ended = new AbortController();
      const batches = registry.followCluster(ended.signal)[Symbol.asyncIterator]();
      const first = await take(batches);
      expect(told(first.changes).sort()).toEqual([
        `body ${unitHash(hello)} present`,
        "cluster present",
        "leader present",
        "metadata m1 role present",
        "unit a.service present",
      ]);
      await term.resign();
      const next = await take(batches);
      expect(told(next.changes)).toEqual(["leader absent"]);
      expect(next.revision).toBeGreaterThan(first.revision);
      ended.abort();
      await expect(batches.next()).rejects.toMatchObject({ code: "aborted" });
    });

    test("what takes several pages is told as one batch", async () => {
      const at = prefix();
      const registry = await ready(at);
      const count = 5_000;
      for (let first = 0; first < count; first += 125) {
        const puts = Array.from(
          { length: 125 },
          (_, index) =>
            ({ op: "put", key: `${at}units/u${first + index}.service`, value: "x".repeat(1_500) }) as const,
        );
        await bench.raw.txn({ compares: [], success: puts });
      }
      const ended = new AbortController();
      const batches = registry.followCluster(ended.signal)[Symbol.asyncIterator]();
      const names = (await take(batches)).changes.flatMap((change) =>
        change.kind === "unit" ? [change.name] : [],
      );
      expect(new Set(names).size).toBe(count);
      expect(names).toHaveLength(count);
      ended.abort();
      await expect(batches.next()).rejects.toMatchObject({ code: "aborted" });
    });

    test("a wiped store is not told as deletions: following stops and the cluster is frozen", async () => {
      const at = prefix();
      const registry = await ready(at);
      await registry.intents.put({ name: "a.service", options: hello, target: "loaded" });
      const ended = new AbortController();
      const failures: string[] = [];
      const observer = {
        connected: () => failures.push("connected"),
        disconnected: (error: { code: string }) => failures.push(error.code),
      };
      const batches = registry.followCluster(ended.signal, observer)[Symbol.asyncIterator]();
      await take(batches);
      const next = batches.next().then(
        () => "delivered",
        () => "ended",
      );
      await wipe(at);
      await expect.poll(() => registry.guard.frozen?.code, { timeout: 5_000 }).toBe("cluster_missing");
      ended.abort();
      expect(await next).toBe("ended");
      expect(failures).toEqual(["connected", "cluster_missing"]);
    });
  });
}
