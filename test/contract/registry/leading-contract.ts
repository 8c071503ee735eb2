import { type UnitOption, unitHash } from "@fleet/core";
import { type AssignmentRecord, type EngineWrite, Registry, type Term } from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { describe, expect, test } from "vitest";
import { hello, other, type RegistryBench, Remembering } from "./registry-bench.ts";

/** Election, fencing and the commits of an engine. */
export function describeLeading(bench: RegistryBench): void {
  const { prefix, ready, change, write, keysBelow, signal } = bench;

  describe("leading", () => {
    const candidate = (machineId: string): { machineId: string; ttlMs: number } => ({
      machineId,
      ttlMs: 2_000,
    });

    test("one leads; when it resigns the other does at once", async () => {
      const at = prefix();
      const [a, b] = [await ready(at), await ready(at)];
      const first = await a.leadership.campaign(candidate("a"), signal);
      let second: Term | undefined;
      const campaign = b.leadership.campaign(candidate("b"), signal).then((term) => {
        second = term;
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(second).toBeUndefined();
      const resignedAt = performance.now();
      await first.resign();
      await campaign;
      expect(performance.now() - resignedAt).toBeLessThan(1_500);
      expect(second?.number).toBeGreaterThan(first.number);
      expect(first.lost.aborted).toBe(false);
      await second?.resign();
    });

    test("a leader that is never heard of again is replaced when its lease ends", async () => {
      const at = prefix();
      const store = bench.etcd.client();
      const a = new Registry({
        store,
        prefix: at,
        memory: new Remembering(),
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      });
      await a.guard.open(signal);
      const first = await a.leadership.campaign(candidate("a"), signal);
      const campaign = (await ready(at)).leadership.campaign(candidate("b"), signal);
      const killedAt = performance.now();
      store.close();
      const second = await campaign;
      // Half a second for etcd's own look at its leases, the rest for a busy machine.
      expect(performance.now() - killedAt).toBeLessThan(2_000 + 2_000);
      expect(first.lost.aborted).toBe(true);
      await second.resign();
    });

    test("a campaign can be given up", async () => {
      const at = prefix();
      const registry = await ready(at);
      const term = await registry.leadership.campaign(candidate("a"), signal);
      const giveUp = new AbortController();
      const campaign = expect(
        registry.leadership.campaign(candidate("b"), giveUp.signal),
      ).rejects.toMatchObject({ code: "aborted" });
      giveUp.abort();
      await campaign;
      await term.resign();
    });

    test("a commit writes everything, settles last and answers with the revision", async () => {
      const at = prefix();
      const registry = await ready(at);
      const term = await registry.leadership.campaign(candidate("a"), signal);
      const record: AssignmentRecord = {
        hash: unitHash(hello),
        target: "loaded",
        generation: 1,
        awaits: ["x"],
      };
      const writes: EngineWrite[] = [{ op: "settle", machineId: "m1", registration: 5 }];
      for (let index = 0; index < 1_000; index += 1) {
        writes.push({ op: "assign", machineId: "m1", unit: `u${index}.service`, record });
      }
      const outcome = await registry.commit(term, writes, signal);
      const { rows, revision } = await bench.raw.range({
        from: `${at}assignments/m1/`,
        to: `${at}assignments/m10`,
      });
      expect(rows).toHaveLength(1_001);
      const settled = rows.find((row) => row.key.endsWith("/@settled"));
      expect(outcome).toEqual({ outcome: "committed", revision });
      expect(settled?.modRevision).toBe(revision);
      expect(rows.filter((row) => row.modRevision >= revision)).toEqual([settled]);
      expect(JSON.parse(rows.find((row) => row.key.endsWith("/u9.service"))?.value ?? "")).toEqual({
        v: 1,
        ...record,
      });

      // Where it is stands in the key, and not in the value as well.
      const where = { machineId: "m1", unit: "u2.service" };
      const again = await registry.commit(
        term,
        [
          { op: "assign", ...where, record: { ...record, ...where } },
          { op: "withdraw", machineId: "m1", unit: "u1.service" },
        ],
        signal,
      );
      expect(again.outcome).toBe("committed");
      expect(await keysBelow(`${at}assignments/m1/`)).not.toContain(`${at}assignments/m1/u1.service`);
      const [written] = (await bench.raw.range({ from: `${at}assignments/m1/u2.service` })).rows;
      expect(JSON.parse(written?.value ?? "")).toEqual({ v: 1, ...record });
      await term.resign();
    });

    test("a fenced commit changes nothing and ends the term", async () => {
      const at = prefix();
      const registry = await ready(at);
      const term = await registry.leadership.campaign(candidate("a"), signal);
      await write(`${at}leader`, JSON.stringify({ v: 1, machineId: "a" }));
      await change({ op: "delete", from: `${at}leader` });
      const other = await (await ready(at)).leadership.campaign(candidate("b"), signal);
      const before = await keysBelow(at);
      expect(
        await registry.commit(term, [{ op: "settle", machineId: "m1", registration: 1 }], signal),
      ).toEqual({ outcome: "fenced" });
      expect(await keysBelow(at)).toEqual(before);
      expect(term.lost.aborted).toBe(true);
      expect(other.lost.aborted).toBe(false);
      await other.resign();
    });

    test("only a body nobody has written since is collected", async () => {
      const at = prefix();
      const registry = await ready(at);
      const term = await registry.leadership.campaign(candidate("a"), signal);
      await registry.intents.put({ name: "a.service", options: hello });
      await registry.intents.put({ name: "b.service", options: other });
      await registry.intents.destroy("a.service");
      await registry.intents.destroy("b.service");
      const modRevision = async (options: readonly UnitOption[]): Promise<number> =>
        (await bench.raw.range({ from: `${at}bodies/${unitHash(options)}` })).rows[0]?.modRevision ?? 0;
      const writes: EngineWrite[] = [
        { op: "collect-body", hash: unitHash(hello), modRevision: await modRevision(hello) },
        { op: "collect-body", hash: unitHash(other), modRevision: await modRevision(other) },
      ];
      await registry.intents.put({ name: "c.service", options: other });
      expect((await registry.commit(term, writes, signal)).outcome).toBe("committed");
      expect(await keysBelow(`${at}bodies/`)).toEqual([unitHash(other)]);
      await term.resign();
    });
  });
}
