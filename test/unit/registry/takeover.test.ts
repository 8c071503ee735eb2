import { MemoryStore, type Registration, type StateRecord, type TxnRequest } from "@fleet/registry";
import { expect, test } from "vitest";
import { Bench } from "./bench.ts";

const machineId = "a".repeat(32);
const row = `states/${machineId}/a.service`;
const running: StateRecord = {
  hash: "1".repeat(40),
  load: "loaded",
  active: "active",
  sub: "running",
  launched: true,
};

/** Lets a lease end right before or after the write that makes the machine's row hang on another one. */
class TimelyStore extends MemoryStore {
  leaseEnds: "before" | "after" | undefined;
  readonly #bench: Bench;

  constructor(bench: Bench) {
    super(bench.etcd);
    this.#bench = bench;
  }

  override async txn(request: TxnRequest): ReturnType<MemoryStore["txn"]> {
    const ends = request.success.some(
      ({ op, ...write }) => op === "put" && "key" in write && write.key === this.#key,
    )
      ? this.leaseEnds
      : undefined;
    const { leaseId } = this.#bench.etcd.range({ from: this.#key }).rows[0] ?? {};
    if (ends !== undefined) this.leaseEnds = undefined;
    if (ends === "before" && leaseId !== undefined) await this.leaseRevoke(leaseId);
    const result = await super.txn(request);
    if (ends === "after" && leaseId !== undefined) await this.leaseRevoke(leaseId);
    return result;
  }

  get #key(): string {
    return `${this.#bench.prefix}machines/${machineId}`;
  }
}

async function registered(bench: Bench, store: MemoryStore): Promise<Registration> {
  const registry = await bench.registry(store);
  const request = { machineId, token: "t", publicIp: "", metadata: {}, version: "0", ttlMs: 60_000 };
  const outcome = await registry.registrations.register(request, new AbortController().signal);
  if (outcome.outcome !== "registered") throw new Error("not registered");
  return outcome.registration;
}

test("a lease that ends while the next process takes the machine over takes no rows along", async () => {
  const bench = new Bench();
  const former = await registered(bench, new MemoryStore(bench.etcd));
  await former.publish({ put: [{ unit: "a.service", record: running }], remove: [] });
  const store = new TimelyStore(bench);
  store.leaseEnds = "after";
  const { number } = await registered(bench, store);
  expect({ number, row: bench.has(row) }).toEqual({ number: former.number, row: true });
});

test("a lease that ends just before that takes them all along, under a new registration", async () => {
  const bench = new Bench();
  const former = await registered(bench, new MemoryStore(bench.etcd));
  await former.publish({ put: [{ unit: "a.service", record: running }], remove: [] });
  const store = new TimelyStore(bench);
  store.leaseEnds = "before";
  const { number } = await registered(bench, store);
  expect(number).toBeGreaterThan(former.number);
  expect(bench.has(row)).toBe(false);
});

test("rows that have outlived their machine are not taken for rows of its next registration", async () => {
  const bench = new Bench();
  await bench.registry();
  bench.put(row, "{}");
  await registered(bench, new MemoryStore(bench.etcd));
  expect(bench.has(row)).toBe(false);
});
