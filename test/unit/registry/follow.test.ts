import { type ChangeBatch, MemoryStore, type Registry } from "@fleet/registry";
import { AbortedError, type FleetError } from "@fleet/runtime";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";
import { Bench } from "./bench.ts";
import { BreakableStore } from "./breakable-store.ts";

/** Applies batches as a reader does, and complains about whatever may not come. */
class Reader {
  readonly rows = new Map<string, number>();
  readonly problems: string[] = [];
  batches = 0;
  revision = 0;
  ended: unknown;

  async read(batches: AsyncIterable<ChangeBatch>): Promise<void> {
    try {
      for await (const batch of batches) this.#apply(batch);
    } catch (error) {
      this.ended = error;
    }
  }

  #apply(batch: ChangeBatch): void {
    this.batches += 1;
    if (batch.revision <= this.revision)
      this.problems.push(`revision ${batch.revision} after ${this.revision}`);
    if (this.batches > 1 && batch.changes.length === 0) this.problems.push("an empty batch");
    this.revision = batch.revision;
    for (const { kind, entry, ...subject } of batch.changes) {
      const name = [kind, ...Object.values(subject)].join(" ");
      const before = this.rows.get(name);
      if (entry.modRevision > batch.revision) this.problems.push(`${name} from the future`);
      if (before !== undefined && entry.modRevision <= before)
        this.problems.push(`${name} again or out of order`);
      if (entry.status !== "absent") this.rows.set(name, entry.modRevision);
      else if (!this.rows.delete(name)) this.problems.push(`${name} absent but never told`);
    }
  }
}

/** What a reader must hold in the end: assignments and units by mod revision. */
function content(bench: Bench): Map<string, number> {
  const rows = new Map<string, number>();
  for (const row of bench.etcd.range({ from: "/fleet/", to: "/fleet0" }).rows) {
    const [kind, ...subject] = row.key.slice("/fleet/".length).split("/");
    const names: Readonly<Record<string, string>> = { units: "unit", states: "state", cluster: "cluster" };
    rows.set([names[kind ?? ""] ?? "?", ...subject].join(" "), row.modRevision);
  }
  return rows;
}

interface Following {
  readonly bench: Bench;
  readonly store: BreakableStore;
  readonly registry: Registry;
  readonly reader: Reader;
  readonly events: string[];
  stop(): Promise<void>;
}

async function following(bench = new Bench()): Promise<Following> {
  const store = new BreakableStore(new MemoryStore(bench.etcd));
  const registry = await bench.registry(store);
  const reader = new Reader();
  const events: string[] = [];
  const stopping = new AbortController();
  const observer = {
    connected: () => void events.push("connected"),
    disconnected: (error: FleetError) => void events.push(error.code),
  };
  const reading = reader.read(registry.followCluster(stopping.signal, observer));
  await bench.clock.settle();
  return {
    bench,
    store,
    registry,
    reader,
    events,
    stop: () => {
      stopping.abort();
      return reading;
    },
  };
}

type Step =
  | { readonly kind: "put"; readonly key: number }
  | { readonly kind: "remove"; readonly key: number }
  | { readonly kind: "cut" | "break" | "mend" | "compact" }
  | { readonly kind: "advance"; readonly ms: number };

const key = fc.nat({ max: 7 });
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("put" as const), key }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), key }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom("cut" as const, "break", "mend", "compact") }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat({ max: 400 }) }) },
  ),
  { maxLength: 60 },
);

function path(index: number): string {
  return index % 2 === 0 ? `units/u${index}.service` : `states/m1/u${index}.service`;
}

test("whatever breaks, the changes told add up to what is in the store, each told once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const { bench, store, reader, stop } = await following();
      for (const step of history) {
        if (step.kind === "put") bench.put(path(step.key), "{}");
        else if (step.kind === "remove") bench.remove(path(step.key));
        else if (step.kind === "cut") store.cutWatches();
        else if (step.kind === "break") store.break();
        else if (step.kind === "mend") store.broken = false;
        else if (step.kind === "compact") bench.etcd.compact();
        else if (step.kind === "advance") await bench.clock.advance(step.ms);
      }
      store.broken = false;
      await bench.clock.advance(20_000);
      expect(reader.problems).toEqual([]);
      expect(reader.rows).toEqual(content(bench));
      await stop();
      expect(reader.ended).toBeInstanceOf(AbortedError);
      expect(bench.clock.pending).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test("a compaction while away costs a snapshot, and only the differences are told", async () => {
  const { bench, store, reader, events, stop } = await following();
  bench.put("units/kept.service", "{}");
  bench.put("units/gone.service", "{}");
  await bench.clock.settle();
  const before = reader.batches;
  store.break();
  bench.remove("units/gone.service");
  bench.put("units/new.service", "{}");
  bench.put("units/new.service", "{}");
  bench.etcd.compact();
  await bench.clock.advance(1_000);
  store.broken = false;
  await bench.clock.advance(5_000);
  expect(reader.batches).toBe(before + 1);
  expect([...reader.rows.keys()]).toEqual(["cluster", "unit kept.service", "unit new.service"]);
  expect(reader.problems).toEqual([]);
  expect(events).toEqual(["connected", "etcd_unavailable", "connected"]);
  await stop();
});

test("a frozen cluster is waited out, thawed by asking again, then told by its differences", async () => {
  const { bench, registry, reader, events, stop } = await following();
  bench.put("units/a.service", "{}");
  await bench.clock.settle();
  const row = bench.etcd.range({ from: "/fleet/cluster" }).rows[0];
  bench.put("cluster", "garbage");
  bench.remove("units/a.service");
  await bench.clock.advance(10_000);
  expect(registry.guard.frozen?.code).toBe("cluster_format");
  expect(reader.rows.has("unit a.service")).toBe(true);
  bench.put("cluster", row?.value ?? "");
  await bench.clock.advance(10_000);
  expect(registry.guard.frozen).toBeUndefined();
  expect(reader.rows).toEqual(content(bench));
  expect(reader.problems).toEqual([]);
  expect(events).toEqual(["connected", "cluster_format", "connected"]);
  await stop();
});

test("the revision seen is remembered now and then, not with every change", async () => {
  const { bench, stop } = await following();
  expect(bench.saves).toHaveLength(1);
  for (let second = 0; second < 20; second += 1) {
    bench.put("units/a.service", "{}");
    await bench.clock.advance(1_000);
  }
  expect(bench.saves.length).toBeGreaterThanOrEqual(4);
  expect(bench.saves.length).toBeLessThanOrEqual(6);
  expect(bench.saves.at(-1)?.revision).toBeGreaterThan(bench.etcd.revision - 6);
  await stop();
});

/** Time passes while somebody works: a millisecond whenever it is looked at. */
class WorkingClock extends SimulatedClock {
  #looks = 0;

  override monotonic(): number {
    this.#looks += 1;
    return super.monotonic() + this.#looks;
  }
}

test("much at once is decoded in turns, the snapshot and what the watch tells", async () => {
  const clock = new WorkingClock();
  const { bench, reader, registry, stop } = await following(new Bench(clock));
  const more = new Reader();
  for (let index = 0; index < 200; index += 1) bench.put(`units/u${index}.service`, "{}");
  await clock.advance(1_000);
  const stopping = new AbortController();
  const reading = more.read(registry.followCluster(stopping.signal));
  await clock.settle();
  expect(more.batches).toBe(0);
  expect(clock.pending).toBe(1);
  await clock.advance(1_000);
  expect(more.batches).toBe(1);
  bench.etcd.txn({
    compares: [],
    success: Array.from({ length: 100 }, (_, index) => ({
      op: "put",
      key: `/fleet/states/m1/u${index}.service`,
      value: "{}",
    })),
  });
  await clock.settle();
  expect(more.batches).toBe(1);
  await clock.advance(1_000);
  expect(more.batches).toBe(2);
  stopping.abort();
  await reading;
  await stop();
  expect([...reader.problems, ...more.problems]).toEqual([]);
  expect(more.rows).toEqual(content(bench));
  expect(reader.rows).toEqual(content(bench));
  expect(clock.pending).toBe(0);
});

test("who stops between two turns is told nothing of it", async () => {
  const clock = new WorkingClock();
  const bench = new Bench(clock);
  const registry = await bench.registry();
  for (let index = 0; index < 200; index += 1) bench.put(`units/u${index}.service`, "{}");
  const reader = new Reader();
  const stopping = new AbortController();
  const reading = reader.read(registry.followCluster(stopping.signal));
  await clock.settle();
  stopping.abort();
  await reading;
  expect(reader.batches).toBe(0);
  expect(reader.ended).toBeInstanceOf(AbortedError);
  expect(clock.pending).toBe(0);
});
