import { unitHash } from "@fleet/core";
import type { Registration, Registry } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import { hello, other, type RegistryBench, Remembering } from "./registry-bench.ts";

const none = undefined;

/** How a cluster begins anew in a store that was wiped, from what its machines run. */
export function describeReseeding(bench: RegistryBench): void {
  const { prefix, machine, ready, write, wipe, keysBelow, signal } = bench;

  async function register(registry: Registry, machineId: string): Promise<Registration> {
    const outcome = await registry.registrations.register(
      { machineId, token: machineId, publicIp: "", metadata: {}, version: "0", ttlMs: 5_000 },
      signal,
    );
    if (outcome.outcome !== "registered") throw new Error("refused");
    return outcome.registration;
  }

  const contributed = (name: string, options = hello, isGlobal = false, generation = 7) => ({
    name,
    options,
    hash: unitHash(options),
    target: "launched" as const,
    generation,
    isGlobal,
  });

  describe("seeding a wiped store anew", () => {
    test("keeps the id, raises the epoch, and is taken up by all who remember the cluster", async () => {
      const at = prefix();
      const [here, there] = [new Remembering(), new Remembering()];
      const [first, second] = [await ready(at, here), await ready(at, there)];
      const { clusterId } = first.guard;
      const over = second.guard.epochOver;
      await wipe(at);
      await expect(first.guard.verify()).rejects.toMatchObject({ code: "cluster_missing" });
      await expect(second.guard.verify()).rejects.toMatchObject({ code: "cluster_missing" });
      expect(await first.reseeding.begin(none, signal)).toEqual({ outcome: "begun", epoch: 2 });
      expect(first.guard).toMatchObject({ clusterId, epoch: 2, reseeding: true, owesUnits: true });
      await second.guard.open(signal);
      expect(second.guard).toMatchObject({ clusterId, epoch: 2, reseeding: true, owesUnits: true });
      expect(over.aborted).toBe(true);
      expect(there.saved).toMatchObject({ id: clusterId, epoch: 2, owesUnits: true });
      // Asked again, by whomever, nothing happens.
      expect(await second.reseeding.begin(none, signal)).toEqual({ outcome: "begun", epoch: 2 });
      await second.guard.unitsContributed();
      expect(there.saved?.owesUnits).toBeUndefined();
    });

    test("is noticed, and not slipped into, by one that never saw the store without the cluster", async () => {
      const at = prefix();
      const [first, second] = [await ready(at, new Remembering()), machine(at)];
      await second.guard.open(signal);
      await wipe(at);
      await first.reseeding.begin(none, signal);
      await expect(second.intents.put({ name: "a.service", options: hello })).rejects.toMatchObject({
        code: "cluster_reseeded",
      });
      expect(second.guard).toMatchObject({ epoch: 1, frozen: { code: "cluster_reseeded" } });
      await second.guard.open(signal);
      expect(second.guard).toMatchObject({ epoch: 2, owesUnits: true, frozen: undefined });
    });

    test("does nothing to a healthy store, nor by one who remembers no cluster", async () => {
      const at = prefix();
      const registry = await ready(at);
      await registry.intents.put({ name: "a.service", options: hello });
      expect(await registry.reseeding.begin("none", signal)).toEqual({ outcome: "healthy" });
      expect(await registry.intents.read("a.service")).toBeDefined();
      const elsewhere = prefix();
      await write(`${elsewhere}units/a.service`, "{}");
      const stranger = machine(elsewhere);
      expect(await stranger.reseeding.begin("none", signal)).toEqual({ outcome: "no_memory" });
      expect(await keysBelow(elsewhere)).toHaveLength(1);
    });

    test("throws away what is there only when told so by its name", async () => {
      const at = prefix();
      const registry = await ready(at);
      await wipe(at);
      const usurper = await ready(at);
      await usurper.intents.put({ name: "b.service", options: other });
      const found = { cluster: { id: usurper.guard.clusterId, epoch: 1 }, units: 1, keys: 3 };
      for (const discard of [none, "none", registry.guard.clusterId]) {
        expect(await registry.reseeding.begin(discard, signal)).toEqual({ outcome: "occupied", found });
      }
      expect(await keysBelow(at)).toHaveLength(3);
      expect(await registry.reseeding.begin(usurper.guard.clusterId, signal)).toMatchObject({ epoch: 2 });
      expect(await keysBelow(at)).toEqual(["cluster"]);
      await expect(usurper.guard.verify()).rejects.toMatchObject({ code: "cluster_foreign" });
    });

    test("is the way out of a store that was rolled back", async () => {
      const at = prefix();
      const memory = new Remembering();
      const { guard } = await ready(at, memory);
      if (memory.saved === undefined) throw new Error("nothing remembered");
      const later = machine(
        at,
        new Remembering({ ...memory.saved, revision: memory.saved.revision + 100_000 }),
      );
      await expect(later.guard.open(signal)).rejects.toMatchObject({ code: "cluster_rolled_back" });
      expect(await later.reseeding.begin(guard.clusterId, signal)).toMatchObject({ epoch: 2 });
      expect(later.guard.frozen).toBeUndefined();
      const revision = later.guard.revision;
      await later.intents.put({ name: "a.service", options: hello });
      expect(later.guard.revision).toBeGreaterThan(revision);
    });

    test("an epoch of before is a store that was rolled back", async () => {
      const at = prefix();
      const memory = new Remembering();
      await ready(at, memory);
      if (memory.saved === undefined) throw new Error("nothing remembered");
      const later = machine(at, new Remembering({ ...memory.saved, epoch: 3 }));
      await expect(later.guard.open(signal)).rejects.toMatchObject({ code: "cluster_rolled_back" });
    });

    test("machines tell what they run: the first is believed, the rest is named", async () => {
      const at = prefix();
      const first = await ready(at, new Remembering());
      await wipe(at);
      await first.reseeding.begin(none, signal);
      const here = (await register(first, "m1")).contribution();
      const there = (await register(first, "m2")).contribution();
      await register(first, "m3");

      expect(await here.add(contributed("a.service"))).toEqual({ outcome: "contributed", generation: 7 });
      expect(await here.add(contributed("a.service"))).toEqual({ outcome: "contributed", generation: 7 });
      expect(await there.add(contributed("a.service", other))).toEqual({
        outcome: "left",
        reason: "other_content",
      });
      expect(await there.add(contributed("a.service"))).toEqual({ outcome: "left", reason: "duplicate" });
      await here.add(contributed("g.service", other, true, 5));
      expect(await there.add(contributed("g.service", other, true, 9))).toEqual({
        outcome: "contributed",
        generation: 5,
      });
      await here.report({ units: 2, left: [] });
      await there.report({ units: 1, left: [{ unit: "a.service", reason: "duplicate" }] });

      expect(await first.reseeding.progress()).toMatchObject({
        running: true,
        epoch: 2,
        units: 2,
        contributions: [
          { machineId: "m1", units: 2, left: [] },
          { machineId: "m2", units: 1, left: [{ unit: "a.service", reason: "duplicate" }] },
        ],
        awaited: ["m3"],
        misplaced: [],
      });
      expect((await keysBelow(at)).filter((key) => key.startsWith("assignments/"))).toEqual([
        "assignments/m1/a.service",
        "assignments/m1/g.service",
        "assignments/m2/g.service",
      ]);
      expect(await first.intents.read("a.service")).toMatchObject({
        options: hello,
        record: { target: "launched", generation: 7 },
      });
    });

    describe("an exclusive unit", () => {
      const exclusive = (stopSec: number) => [
        ...hello,
        { section: "Service", name: "TimeoutStopSec", value: `${stopSec}` },
        { section: "X-Fleet", name: "Exclusive", value: "true" },
      ];
      const told = (stopMs: number, generation = 7) => ({
        ...contributed("only.service", exclusive(stopMs / 1_000), false, generation),
        exclusive: { stopMs },
      });
      const holds = async (registry: Registry): Promise<readonly unknown[]> => {
        for await (const { changes } of registry.followCluster(signal)) {
          return changes.flatMap((change) =>
            change.kind === "exclusive-hold" && change.entry.status === "present" ? [change.entry.value] : [],
          );
        }
        return [];
      };

      test("is told of without an assignment, whoever tells first, and may be running anywhere", async () => {
        const at = prefix();
        const registry = await ready(at);
        await wipe(at);
        await registry.reseeding.begin(none, signal);
        const here = (await register(registry, "m1")).contribution();
        const there = (await register(registry, "m2")).contribution();
        expect(await here.add(told(5_000))).toEqual({ outcome: "contributed", generation: 7 });
        expect(await there.add(told(5_000, 9))).toEqual({ outcome: "contributed", generation: 7 });
        // Its other file takes longer to stop.
        expect(await there.add(told(8_000))).toEqual({ outcome: "left", reason: "other_content" });
        expect(await here.add(told(5_000))).toEqual({ outcome: "contributed", generation: 7 });
        expect((await keysBelow(at)).filter((key) => /^(assignments|exclusive|units)/.test(key))).toEqual([
          "exclusive/only.service",
          "units/only.service",
        ]);
        expect(await holds(registry)).toEqual([
          { v: 1, machineId: "unknown", registration: 1, stopMs: 8_000 },
        ]);
      });

      test("that is submitted soon afterwards may be running on a machine that has not been heard of", async () => {
        const at = prefix();
        const registry = await ready(at);
        await registry.intents.put({ name: "before.service", options: exclusive(5) });
        expect(await holds(registry)).toEqual([]);
        await wipe(at);
        await registry.reseeding.begin(none, signal);
        await registry.reseeding.finish();
        await registry.intents.put({ name: "plain.service", options: hello });
        await registry.intents.put({ name: "only.service", options: exclusive(5) });
        const noted = await holds(registry);
        expect(noted).toMatchObject([{ machineId: "unknown" }]);
        // Once is enough: what is noted since is newer.
        await registry.intents.put({ name: "only.service", options: exclusive(500), target: "launched" });
        expect(await holds(registry)).toEqual(noted);
      });
    });

    test("units whose machines lack what they ask for are named, until metadata is put right", async () => {
      const at = prefix();
      const registry = await ready(at);
      await wipe(at);
      await registry.reseeding.begin(none, signal);
      const db = [...hello, { section: "X-Fleet", name: "MachineMetadata", value: "role=db" }];
      await (await register(registry, "m1")).contribution().add(contributed("db.service", db));
      expect((await registry.reseeding.progress()).misplaced).toEqual([
        { unit: "db.service", machineId: "m1", metadata: "role" },
      ]);
      await registry.metadata.apply([{ machineId: "m1", key: "role", value: "db" }]);
      expect((await registry.reseeding.progress()).misplaced).toEqual([]);
    });

    test("nobody is elected before it is finished", async () => {
      const at = prefix();
      const [first, second] = [await ready(at, new Remembering()), machine(at)];
      await second.guard.open(signal);
      const candidate = { machineId: "m1", ttlMs: 2_000 };
      const term = await first.leadership.campaign(candidate, signal);
      await wipe(at);
      await first.reseeding.begin(none, signal);
      expect(term.lost.aborted).toBe(true);
      await second.guard.open(signal).catch(() => second.guard.open(signal));
      const over = new AbortController();
      let elected = 0;
      const campaigns = [first, second].map(async (registry) => {
        await registry.leadership.campaign(candidate, over.signal);
        elected += 1;
      });
      expect(await second.reseeding.progress()).toMatchObject({ running: true });
      expect(elected).toBe(0);
      expect(await keysBelow(at)).toEqual(["cluster"]);
      expect(await second.reseeding.finish()).toBe(true);
      expect(await second.reseeding.finish()).toBe(false);
      await expect.poll(() => elected, { timeout: 10_000 }).toBe(1);
      expect(await keysBelow(at)).toEqual(["cluster", "leader", "seeded"]);
      over.abort();
      expect((await Promise.allSettled(campaigns)).map(({ status }) => status).sort()).toEqual([
        "fulfilled",
        "rejected",
      ]);
    });

    test("a following of before delivers all there is then, and no revision of before hides anything", async () => {
      const at = prefix();
      const registry = await ready(at);
      await registry.intents.put({ name: "a.service", options: hello });
      const stop = new AbortController();
      const seen: string[] = [];
      const following = (async () => {
        for await (const { changes } of registry.followCluster(stop.signal)) {
          for (const change of changes) {
            if (change.kind === "unit") seen.push(`${change.name} ${change.entry.status}`);
          }
        }
      })();
      await expect.poll(() => seen).toEqual(["a.service present"]);
      await wipe(at);
      await registry.reseeding.begin(none, signal);
      await (await register(registry, "m1")).contribution().add(contributed("b.service"));
      await expect
        .poll(() => seen, { timeout: 10_000 })
        .toEqual(["a.service present", "a.service absent", "b.service present"]);
      stop.abort();
      await expect(following).rejects.toMatchObject({ code: "aborted" });
    });
  });
}
