import { describe, expect, test } from "vitest";
import { hello, type RegistryBench } from "./registry-bench.ts";

/** Requests to restart units: made and cancelled by users, carried on by the engine. */
export function describeRestartRequests(bench: RegistryBench): void {
  const { prefix, ready, write, keysBelow, signal } = bench;

  describe("restarts", () => {
    test("are created, told of and cancelled; each has a greater number", async () => {
      const { intents, restarts } = await ready(prefix());
      for (const name of ["a.service", "b.service"])
        await intents.put({ name, options: hello, target: "launched" });
      const first = await restarts.create({ units: ["b.service", "a.service"], parallel: 2 });
      const second = await restarts.create({ units: ["a.service"], parallel: 1 });
      if (first.outcome !== "created" || second.outcome !== "created") throw new Error("refused");
      expect(first.restart.record).toEqual({
        units: ["b.service", "a.service"],
        parallel: 2,
        state: "running",
        steps: [],
      });
      expect(second.restart.createRevision).toBeGreaterThan(first.restart.createRevision);
      expect(await restarts.read(first.restart.id)).toMatchObject(first.restart);
      expect((await restarts.list()).map(({ id }) => id)).toEqual([second.restart.id, first.restart.id]);
      expect(await restarts.cancel(first.restart.id)).toBe(true);
      expect(await restarts.cancel(first.restart.id)).toBe(false);
      expect(await restarts.read(first.restart.id)).toBeUndefined();
    });

    test("launch what is loaded with the request, in one revision", async () => {
      const { intents, restarts } = await ready(prefix());
      await intents.put({ name: "a.service", options: hello, target: "launched" });
      await intents.put({ name: "b.service", options: hello, target: "loaded" });
      const before = await intents.read("b.service");
      const created = await restarts.create({ units: ["a.service", "b.service"], parallel: 1 });
      if (created.outcome !== "created") throw new Error("refused");
      expect(created.restart.record.steps).toEqual([{ unit: "b.service", state: "restarting" }]);
      const after = await intents.read("b.service");
      expect(after?.record.target).toBe("launched");
      expect(after?.modRevision).toBe(created.restart.modRevision);
      expect(after?.record.generation).toBeGreaterThan(before?.record.generation ?? 0);
      // The next change of intent must be a new one to an agent.
      await intents.put({ name: "b.service", target: "loaded" });
      const again = await intents.read("b.service");
      expect(again?.record.generation).toBeGreaterThan(after?.record.generation ?? 0);
    });

    test("are refused for what is not there or inactive, and then change nothing", async () => {
      const at = prefix();
      const { intents, restarts } = await ready(at);
      await intents.put({ name: "a.service", options: hello, target: "loaded" });
      await intents.put({ name: "b.service", options: hello });
      expect(await restarts.create({ units: ["a.service", "c.service"], parallel: 1 })).toEqual({
        outcome: "refused",
        reason: "absent",
        unit: "c.service",
      });
      expect(await restarts.create({ units: ["a.service", "b.service"], parallel: 1 })).toEqual({
        outcome: "refused",
        reason: "inactive",
        unit: "b.service",
      });
      expect(await keysBelow(`${at}restarts/`)).toEqual([]);
      expect((await intents.read("a.service"))?.record.target).toBe("loaded");
    });

    test("of many units are one request, of many that are stopped they are refused", async () => {
      const { intents, restarts } = await ready(prefix());
      const units = Array.from({ length: 130 }, (_, index) => `u${index}.service`);
      for (const name of units) await intents.put({ name, options: hello, target: "launched" });
      expect(await restarts.create({ units, parallel: 1 })).toMatchObject({ outcome: "created" });
      for (const name of units) await intents.put({ name, target: "loaded" });
      expect(await restarts.create({ units, parallel: 1 })).toMatchObject({ reason: "too_many_stopped" });
      expect(await restarts.create({ units: units.slice(0, 100), parallel: 1 })).toMatchObject({
        outcome: "created",
      });
    });

    test("are bounded in number", async () => {
      const at = prefix();
      const { intents, restarts } = await ready(at);
      await intents.put({ name: "a.service", options: hello, target: "launched" });
      for (let index = 0; index < 199; index += 1) await write(`${at}restarts/${index}`, "{}");
      expect(await restarts.create({ units: ["a.service"], parallel: 1 })).toMatchObject({
        outcome: "created",
      });
      expect(await restarts.create({ units: ["a.service"], parallel: 1 })).toMatchObject({
        reason: "too_many_restarts",
        limit: 200,
      });
      // Those that cannot be read are left out of listings, and are an error when asked for.
      expect(await restarts.list()).toHaveLength(1);
      await expect(restarts.read("7")).rejects.toMatchObject({ code: "record_corrupt" });
    });

    test("are carried on by the leader, but not over a cancellation", async () => {
      const at = prefix();
      const registry = await ready(at);
      const { intents, restarts } = registry;
      await intents.put({ name: "a.service", options: hello, target: "launched" });
      const created = await restarts.create({ units: ["a.service"], parallel: 1 });
      if (created.outcome !== "created") throw new Error("refused");
      const { id, modRevision, createRevision } = created.restart;
      const term = await registry.leadership.campaign({ machineId: "m", ttlMs: 2_000 }, signal);
      const record = { ...created.restart.record, state: "done" } as const;
      const advance = { op: "advance-restart", id, modRevision, record } as const;
      const other = { op: "settle", machineId: "m1", registration: 1 } as const;
      expect(await registry.commit(term, [advance], signal)).toMatchObject({ outcome: "committed" });
      expect(await restarts.read(id)).toMatchObject({ record, createRevision });
      // As it stood before: changed since, and the rest of the commit is not held up.
      const stale = { ...advance, record: { ...record, state: "failed" } } as const;
      expect(await registry.commit(term, [stale, other], signal)).toMatchObject({ outcome: "committed" });
      expect((await restarts.read(id))?.record.state).toBe("done");
      await restarts.cancel(id);
      await registry.commit(term, [advance], signal);
      expect(await restarts.read(id)).toBeUndefined();
      expect(await keysBelow(`${at}assignments/m1/`)).toEqual(["@settled"]);
      await term.resign();
    });

    test("that have ended are forgotten by the leader", async () => {
      const at = prefix();
      const registry = await ready(at);
      const { intents, restarts } = registry;
      await intents.put({ name: "a.service", options: hello, target: "launched" });
      const created = await restarts.create({ units: ["a.service"], parallel: 1 });
      if (created.outcome !== "created") throw new Error("refused");
      const { id, modRevision } = created.restart;
      const term = await registry.leadership.campaign({ machineId: "m", ttlMs: 2_000 }, signal);
      await registry.commit(term, [{ op: "forget-restart", id, modRevision: modRevision - 1 }], signal);
      expect(await restarts.read(id)).toBeDefined();
      await registry.commit(term, [{ op: "forget-restart", id, modRevision }], signal);
      expect(await restarts.read(id)).toBeUndefined();
      await term.resign();
    });
  });
}
