import type { Change, EventsRecord, EventsWrite, Registry, Term } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import type { RegistryBench } from "./registry-bench.ts";

const record: EventsRecord = {
  atMs: 1_700_000_000_000,
  events: [{ kind: "assigned", unit: "a.service", machineId: "m1", reason: "least_loaded" }],
};

/** What an engine tells of itself. */
export function describeEvents(bench: RegistryBench): void {
  const { prefix, ready, keysBelow, signal } = bench;

  describe("records of events", () => {
    async function leading(at: string): Promise<{ readonly registry: Registry; readonly term: Term }> {
      const registry = await ready(at);
      const term = await registry.leadership.campaign({ machineId: "m1", ttlMs: 30_000 }, signal);
      return { registry, term };
    }

    async function recorded(registry: Registry, term: Term, write: Partial<EventsWrite>): Promise<string> {
      const whole = { sequence: 1, record, keepFrom: undefined, ...write };
      const result = await registry.recordEvents(term, whole, signal);
      if (result.outcome !== "recorded") throw new Error("it was fenced off");
      return result.id;
    }

    test("are followed as they were written, under ids that grow from term to term", async () => {
      const at = prefix();
      const { registry, term } = await leading(at);
      const ids: string[] = [];
      for (const sequence of [1, 2, 10]) ids.push(await recorded(registry, term, { sequence }));
      await term.resign();
      const next = await registry.leadership.campaign({ machineId: "m1", ttlMs: 30_000 }, signal);
      ids.push(await recorded(registry, next, { sequence: 1 }));
      expect(ids).toEqual([...ids].sort());
      const changes: Change[] = [];
      for await (const batch of registry.followCluster(signal)) {
        changes.push(...batch.changes.filter(({ kind }) => kind === "events"));
        break;
      }
      expect(changes).toMatchObject(ids.map((id) => ({ id, entry: { status: "present", value: record } })));
    });

    test("are written once: again under the same number is the same, and no news", async () => {
      const at = prefix();
      const { registry, term } = await leading(at);
      const id = await recorded(registry, term, {});
      const key = `${at}events/${id}`;
      const before = (await bench.raw.range({ from: key })).rows[0]?.modRevision;
      expect(await recorded(registry, term, {})).toBe(id);
      expect((await bench.raw.range({ from: key })).rows[0]?.modRevision).toBe(before);
      expect(term.lost.aborted).toBe(false);
    });

    test("go when newer ones come, in the same revision", async () => {
      const at = prefix();
      const { registry, term } = await leading(at);
      const first = await recorded(registry, term, { sequence: 1 });
      const second = await recorded(registry, term, { sequence: 2 });
      const { revision } = await bench.raw.range({ from: at });
      const third = await recorded(registry, term, { sequence: 3, keepFrom: second });
      expect(await keysBelow(`${at}events/`)).toEqual([second, third]);
      const request = { from: `${at}events/`, to: `${at}events0`, fromRevision: revision + 1 };
      for await (const batch of bench.raw.watch(request, signal)) {
        const keys = batch.events.map((event) => (event.type === "put" ? event.row.key : event.key));
        expect(keys.sort()).toEqual([`${at}events/${first}`, `${at}events/${third}`]);
        break;
      }
    });

    test("are written by the leader alone", async () => {
      const at = prefix();
      const { registry, term } = await leading(at);
      await bench.change({ op: "delete", from: `${at}leader` });
      const outcome = await registry.recordEvents(term, { sequence: 1, record, keepFrom: undefined }, signal);
      expect(outcome).toEqual({ outcome: "fenced" });
      expect(term.lost.aborted).toBe(true);
      expect(await keysBelow(`${at}events/`)).toEqual([]);
    });

    test("of kinds that are not known are read, those that make no sense are corrupt", async () => {
      const at = prefix();
      const { registry } = await leading(at);
      await bench.write(
        `${at}events/1`,
        JSON.stringify({ v: 1, atMs: 1, events: [{ kind: "later", x: 1 }] }),
      );
      await bench.write(`${at}events/2`, JSON.stringify({ v: 1, atMs: 1, events: "none" }));
      for await (const { changes } of registry.followCluster(signal)) {
        expect(changes.filter(({ kind }) => kind === "events")).toMatchObject([
          { id: "1", entry: { status: "present", value: { events: [{ kind: "later" }] } } },
          { id: "2", entry: { status: "corrupt" } },
        ]);
        break;
      }
    });
  });
}
