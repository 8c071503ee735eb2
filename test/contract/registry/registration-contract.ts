import { unitHash } from "@fleet/core";
import type {
  AssignmentRecord,
  Registration,
  RegistrationRequest,
  Registry,
  StateRecord,
} from "@fleet/registry";
import { describe, expect, test } from "vitest";
import { hello, type RegistryBench } from "./registry-bench.ts";

/** A machine and its agent's rows. */
export function describeRegistration(bench: RegistryBench): void {
  const { prefix, ready, change, write, wipe, keysBelow, signal } = bench;

  describe("registration", () => {
    const request = (changes: Partial<RegistrationRequest> = {}): RegistrationRequest => ({
      machineId: "m1",
      token: "t1",
      publicIp: "10.0.0.1",
      metadata: { region: "eu" },
      version: "2.0.0",
      ttlMs: 5_000,
      ...changes,
    });

    async function register(
      registry: Registry,
      changes: Partial<RegistrationRequest> = {},
    ): Promise<Registration> {
      const result = await registry.registrations.register(request(changes), signal);
      if (result.outcome !== "registered") throw new Error(`refused by ${result.holder}`);
      return result.registration;
    }

    const state = (sub: string, launched = true): StateRecord => ({
      hash: unitHash(hello),
      load: "loaded",
      active: "active",
      sub,
      launched,
    });

    const assignment = (generation: number): AssignmentRecord => ({
      hash: unitHash(hello),
      target: "launched",
      generation,
      awaits: [],
    });

    /** Mod revision of the assignment written. */
    async function assign(at: string, unit: string): Promise<number> {
      await write(`${at}assignments/m1/${unit}`, JSON.stringify({ v: 1, ...assignment(1) }));
      return (await bench.raw.range({ from: `${at}assignments/m1/${unit}` })).rows[0]?.modRevision ?? 0;
    }

    test("another token is refused and told who holds the id; the holder notices nothing", async () => {
      const at = prefix();
      const holder = await register(await ready(at));
      const second = await ready(at);
      expect(await second.registrations.register(request({ token: "t2" }), signal)).toEqual({
        outcome: "refused",
        holder: "10.0.0.1",
      });
      await holder.publish({ put: [{ unit: "a.service", record: state("running") }], remove: [] });
      expect(holder.lost.aborted).toBe(false);
      await holder.leave();
    });

    test("the same token takes over number and rows; the earlier process is told", async () => {
      const at = prefix();
      const before = await register(await ready(at));
      const units = Array.from({ length: 250 }, (_, index) => `u${index}.service`);
      const put = units.map((unit) => ({ unit, record: state("running") }));
      await before.publish({ put, remove: [] });
      const after = await register(await ready(at), { publicIp: "10.0.0.2" });
      expect(after.number).toBe(before.number);
      expect([...(await after.published()).keys()].sort()).toEqual([...units].sort());
      await expect(before.publish({ put, remove: [] })).rejects.toMatchObject({
        code: "registration_lost",
      });
      expect(before.lost.aborted).toBe(true);
      await after.publish({ put: [], remove: units.slice(0, 249) });
      expect([...(await after.published()).keys()]).toEqual(units.slice(249));
      await after.leave();
      expect(await keysBelow(at)).toEqual(["cluster"]);
    });

    test("after leaving, a new registration has a new number", async () => {
      const at = prefix();
      const registry = await ready(at);
      const first = await register(registry);
      await first.leaving();
      const row = (await bench.raw.range({ from: `${at}machines/m1` })).rows[0];
      expect(JSON.parse(row?.value ?? "")).toMatchObject({ leaving: true, metadata: { region: "eu" } });
      expect(row?.createRevision).toBe(first.number);
      await first.leave();
      const second = await register(registry, { token: "t2" });
      expect(second.number).toBeGreaterThan(first.number);
      await second.leave();
    });

    test("publishing leaves out rows whose assignment has changed, and writes the others", async () => {
      const at = prefix();
      const registration = await register(await ready(at));
      const units = Array.from({ length: 130 }, (_, index) => `u${index}.service`);
      const put = [];
      for (const unit of units) {
        put.push({ unit, record: state("running"), assignedAt: await assign(at, unit) });
      }
      await assign(at, "u7.service");
      await change({ op: "delete", from: `${at}assignments/m1/u128.service` });
      const { stale } = await registration.publish({ put, remove: [] });
      expect(stale).toEqual(["u7.service", "u128.service"]);
      const published = await registration.published();
      expect(published.size).toBe(128);
      expect(published.get("u7.service")).toBeUndefined();
      expect(published.get("u8.service")).toMatchObject(state("running"));
      await registration.leave();
    });

    test("absence is confirmed for what is really absent, in order", async () => {
      const at = prefix();
      const registration = await register(await ready(at));
      await assign(at, "b.service");
      expect(await registration.confirmAbsent(["c.service", "b.service", "a.service"])).toEqual([
        "c.service",
        "a.service",
      ]);
      await registration.leave();
    });

    test("a wiped store confirms no absence", async () => {
      const at = prefix();
      const registry = await ready(at);
      const registration = await register(registry);
      await wipe(at);
      await expect(registration.confirmAbsent(["a.service"])).rejects.toMatchObject({
        code: "cluster_missing",
      });
      await expect(
        registration.publish({ put: [{ unit: "a.service", record: state("running") }], remove: [] }),
      ).rejects.toMatchObject({ code: "cluster_missing" });
      expect(await keysBelow(at)).toEqual([]);
      await registration.leave();
    });

    test("a row that was deleted ends the registration", async () => {
      const at = prefix();
      const registration = await register(await ready(at));
      await change({ op: "delete", from: `${at}machines/m1` });
      await expect(registration.confirmAbsent(["a.service"])).rejects.toMatchObject({
        code: "registration_lost",
      });
      expect(registration.lost.aborted).toBe(true);
    });
  });
}
