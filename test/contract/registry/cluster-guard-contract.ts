import { describe, expect, test } from "vitest";
import { hello, type RegistryBench, Remembering } from "./registry-bench.ts";

/** How the registry knows that it is still the cluster it was. */
export function describeClusterGuard(bench: RegistryBench): void {
  const { prefix, machine, ready, write, wipe, keysBelow, signal } = bench;

  describe("the cluster guard", () => {
    test("creates the cluster once, however many begin at once, and remembers it", async () => {
      const at = prefix();
      const memories = Array.from({ length: 5 }, () => new Remembering());
      await Promise.all(memories.map((memory) => machine(at, memory).guard.open(signal)));
      const [first] = memories;
      expect(first?.saved?.id).toMatch(/^[0-9a-f]{32}$/);
      for (const { saved } of memories) {
        expect(saved).toMatchObject({ id: first?.saved?.id, createRevision: first?.saved?.createRevision });
      }
    });

    test("lets nothing be written before it was opened", async () => {
      const registry = machine(prefix());
      expect(registry.guard.frozen?.code).toBe("cluster_unverified");
      await expect(registry.intents.put({ name: "a.service", options: hello })).rejects.toMatchObject({
        code: "cluster_unverified",
      });
    });

    test("freezes when the store was wiped, and writes nothing", async () => {
      const at = prefix();
      const registry = await ready(at);
      await registry.intents.put({ name: "a.service", options: hello });
      await wipe(at);
      await expect(registry.intents.put({ name: "b.service", options: hello })).rejects.toMatchObject({
        code: "cluster_missing",
      });
      expect(registry.guard.frozen?.code).toBe("cluster_missing");
      await expect(registry.intents.read("a.service")).rejects.toMatchObject({ code: "cluster_missing" });
      await expect(registry.guard.open(signal)).rejects.toMatchObject({ code: "cluster_missing" });
      expect(await keysBelow(at)).toEqual([]);
    });

    test("freezes, after a restart as well, when another cluster is there", async () => {
      const at = prefix();
      const memory = new Remembering();
      const registry = await ready(at, memory);
      await wipe(at);
      await ready(at);
      await expect(registry.guard.open(signal)).rejects.toMatchObject({ code: "cluster_foreign" });
      const restarted = machine(at, memory);
      await expect(restarted.guard.open(signal)).rejects.toMatchObject({ code: "cluster_foreign" });
      await expect(restarted.intents.destroy("a.service")).rejects.toMatchObject({
        code: "cluster_foreign",
      });
    });

    test("freezes when the store is older than what was seen of it", async () => {
      const at = prefix();
      const memory = new Remembering();
      await ready(at, memory);
      const { saved } = memory;
      if (saved === undefined) throw new Error("nothing remembered");
      const later = new Remembering({ ...saved, revision: saved.revision + 100_000 });
      await expect(machine(at, later).guard.open(signal)).rejects.toMatchObject({
        code: "cluster_rolled_back",
      });
    });

    test("takes data without a cluster record for a damaged cluster, not for an empty one", async () => {
      const at = prefix();
      await write(`${at}units/a.service`, "{}");
      await expect(machine(at).guard.open(signal)).rejects.toMatchObject({ code: "cluster_missing" });
    });

    test.each([
      ["a format from the future", JSON.stringify({ v: 1, id: "x", format: 99 })],
      ["garbage", "not json"],
    ])("freezes on %s", async (_, value) => {
      const at = prefix();
      await write(`${at}cluster`, value);
      await expect(machine(at).guard.open(signal)).rejects.toMatchObject({ code: "cluster_format" });
    });

    test("thaws when what was wrong has been put right", async () => {
      const at = prefix();
      const registry = await ready(at);
      const record = (await bench.raw.range({ from: `${at}cluster` })).rows[0]?.value ?? "";
      await write(`${at}cluster`, "garbage");
      await expect(registry.guard.verify()).rejects.toMatchObject({ code: "cluster_format" });
      await write(`${at}cluster`, record);
      await registry.guard.open(signal);
      expect(registry.guard.frozen).toBeUndefined();
      await registry.intents.put({ name: "a.service", options: hello });
    });
  });
}
