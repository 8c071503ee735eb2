import { describe, expect, test } from "vitest";
import type { RegistryBench } from "./registry-bench.ts";

/** Metadata set through the API. */
export function describeMachineMetadata(bench: RegistryBench): void {
  const { prefix, ready, wipe, keysBelow } = bench;

  describe("metadata", () => {
    async function stored(at: string): Promise<Readonly<Record<string, unknown>>> {
      const { rows } = await bench.raw.range({ from: `${at}metadata/`, to: `${at}metadata0` });
      return Object.fromEntries(
        rows.map(({ key, value }) => [key.slice(`${at}metadata/`.length), JSON.parse(value)]),
      );
    }

    test("sets values and leaves tombstones, in one revision, on no lease", async () => {
      const at = prefix();
      const { metadata } = await ready(at);
      await metadata.apply([{ machineId: "m1", key: "disk", value: "hdd" }]);
      const revision = await metadata.apply([
        { machineId: "m1", key: "disk", value: undefined },
        { machineId: "m2", key: "role", value: "web" },
        { machineId: "m1", key: "never.set", value: undefined },
      ]);
      expect(await stored(at)).toEqual({
        "m1/disk": { v: 1, removed: true },
        "m1/never.set": { v: 1, removed: true },
        "m2/role": { v: 1, value: "web" },
      });
      const { rows } = await bench.raw.range({ from: `${at}metadata/`, to: `${at}metadata0` });
      expect(rows.map(({ modRevision, leaseId }) => [modRevision, leaseId])).toEqual(
        rows.map(() => [revision, "0"]),
      );
    });

    test("of several changes of one key the last counts", async () => {
      const at = prefix();
      const { metadata } = await ready(at);
      await metadata.apply(["a", undefined, "b"].map((value) => ({ machineId: "m1", key: "role", value })));
      expect(await stored(at)).toEqual({ "m1/role": { v: 1, value: "b" } });
    });

    test.each([
      ["a thousand are one transaction", 1_000, "x", 1],
      ["more than fit into one are several", 2_100, "x", 3],
      ["so are fewer large ones", 4, "x".repeat(400_000), 4],
    ])("%s", async (_, count, value, revisions) => {
      const at = prefix();
      const { metadata } = await ready(at);
      const changes = Array.from({ length: count }, (_, index) => ({
        machineId: "m1",
        key: `k${index}`,
        value,
      }));
      const revision = await metadata.apply(changes);
      const { rows } = await bench.raw.range({ from: `${at}metadata/`, to: `${at}metadata0` });
      expect(rows).toHaveLength(count);
      const written = new Set(rows.map(({ modRevision }) => modRevision));
      expect([written.size, Math.max(...written)]).toEqual([revisions, revision]);
    });

    test("writes nothing for no change, and nothing of what holds a value too large", async () => {
      const at = prefix();
      const { metadata } = await ready(at);
      expect(await metadata.apply([])).toBeUndefined();
      const changes = ["x", "x".repeat(1_100_000)].map((value, index) => ({
        machineId: "m1",
        key: `k${index}`,
        value,
      }));
      await expect(metadata.apply(changes)).rejects.toMatchObject({ code: "etcd_too_large" });
      expect(await stored(at)).toEqual({});
    });

    test("writes nothing into a store that was wiped", async () => {
      const at = prefix();
      const { metadata } = await ready(at);
      await wipe(at);
      await expect(metadata.apply([{ machineId: "m1", key: "role", value: "web" }])).rejects.toMatchObject({
        code: "cluster_missing",
      });
      expect(await keysBelow(at)).toEqual([]);
    });
  });
}
