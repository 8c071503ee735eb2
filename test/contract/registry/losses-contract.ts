import type { MassLossRecord } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import type { RegistryBench } from "./registry-bench.ts";

const record: MassLossRecord = { atMs: 1_700_000_000_000, vanished: 4, of: 6, machines: ["m3", "m4", "m5"] };

/** Machines that are held for, the word that they are lost, and which others may follow. */
export function describeLosses(bench: RegistryBench): void {
  const { prefix, ready, signal } = bench;

  describe("a mass loss", () => {
    async function held(at: string) {
      const registry = await ready(at);
      const term = await registry.leadership.campaign({ machineId: "m1", ttlMs: 30_000 }, signal);
      const hold = (next: MassLossRecord | undefined) =>
        registry.commit(term, [{ op: "hold-losses", record: next }], signal);
      await hold(record);
      return { registry, term, hold };
    }

    const confirmedAt = async (at: string) =>
      (await bench.raw.range({ from: `${at}losses/confirmed` })).rows[0];

    test("is read as the engine wrote it, and is gone when the engine says so", async () => {
      const { registry, hold } = await held(prefix());
      expect(await registry.losses.read()).toMatchObject(record);
      await hold(undefined);
      expect(await registry.losses.read()).toBeUndefined();
      expect(await registry.losses.confirm()).toEqual([]);
    });

    test("is confirmed for machines of it, each once", async () => {
      const at = prefix();
      const { registry } = await held(at);
      expect(await registry.losses.confirm(["m4", "m9"])).toEqual(["m4"]);
      expect(await registry.losses.read()).toMatchObject({ ...record, machines: ["m3", "m5"] });
      expect(await registry.losses.confirm(["m4"])).toEqual([]);
      expect(await registry.losses.confirm()).toEqual(["m3", "m5"]);
      expect(await registry.losses.read()).toBeUndefined();
      expect(JSON.parse((await confirmedAt(at))?.value ?? "")).toEqual({
        v: 1,
        machines: ["m3", "m4", "m5"],
      });
    });

    test("that is confirmed is forgotten by the engine, unless more was confirmed meanwhile", async () => {
      const at = prefix();
      const { registry, term } = await held(at);
      const forget = (modRevision: number, left: readonly string[] = []) =>
        registry.commit(term, [{ op: "forget-confirmed-losses", modRevision, left }], signal);
      await registry.losses.confirm(["m3"]);
      const before = (await confirmedAt(at))?.modRevision ?? 0;
      await registry.losses.confirm(["m4"]);
      expect(await forget(before)).toMatchObject({ outcome: "committed" });
      const now = (await confirmedAt(at))?.modRevision ?? 0;
      expect(now).toBeGreaterThan(before);
      await forget(now, ["m3"]);
      expect(await registry.losses.read()).toMatchObject({ ...record, machines: ["m4", "m5"] });
      await forget((await confirmedAt(at))?.modRevision ?? 0);
      expect(await confirmedAt(at)).toBeUndefined();
    });

    test("that cannot be read is neither shown nor confirmed", async () => {
      const at = prefix();
      const { registry } = await held(at);
      await bench.change({ op: "put", key: `${at}losses/held`, value: "garbage" });
      await expect(registry.losses.read()).rejects.toMatchObject({ code: "record_corrupt" });
      await expect(registry.losses.confirm()).rejects.toMatchObject({ code: "record_corrupt" });
    });

    test("is written by the leader alone", async () => {
      const at = prefix();
      const { registry, term } = await held(at);
      await bench.change({ op: "delete", from: `${at}leader` });
      const outcome = await registry.commit(term, [{ op: "hold-losses", record: undefined }], signal);
      expect(outcome).toEqual({ outcome: "fenced" });
    });
  });

  test("a machine whose lease has more than half run down is overdue, one that has just renewed is not", async () => {
    const at = prefix();
    const registry = await ready(at);
    const [long, short] = [await bench.raw.leaseGrant(60_000), await bench.raw.leaseGrant(2_000)];
    await bench.change({ op: "put", key: `${at}machines/m1`, value: "{}", leaseId: long.leaseId });
    await bench.change({ op: "put", key: `${at}machines/m2`, value: "{}", leaseId: short.leaseId });
    expect([...(await registry.overdueMachines(["m1", "m2"], signal))]).toEqual([]);
    for (let seen: readonly string[] = []; !seen.includes("m2"); ) {
      const { rows } = await bench.raw.range({ from: `${at}machines/m2` });
      expect(rows, "m2 is seen to be overdue before it is gone").toHaveLength(1);
      seen = [...(await registry.overdueMachines(["m1", "m2"], signal))];
      expect(seen).not.toContain("m1");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await bench.raw.leaseRevoke(long.leaseId);
  });
}
