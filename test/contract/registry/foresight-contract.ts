import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApi } from "@fleet/api";
import { FleetClient } from "@fleet/api/client";
import {
  type LeaseGrant,
  type LeaseTime,
  type RangeRequest,
  type RangeResult,
  Registry,
  type Store,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchRequest,
} from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { expect, test } from "vitest";
import { hello, type RegistryBench, Remembering } from "./registry-bench.ts";

/** A store that counts what is asked of it beyond questions. */
class OverheardStore implements Store {
  writes = 0;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#store.range(request);
  }

  txn(request: TxnRequest): Promise<TxnResult> {
    const { success, failure = [] } = request;
    if ([...success, ...failure].some(({ op }) => op !== "get")) this.writes += 1;
    return this.#store.txn(request);
  }

  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#store.watch(request, signal);
  }

  leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    this.writes += 1;
    return this.#store.leaseGrant(ttlMs);
  }

  leaseKeepAlive(leaseId: string): Promise<void> {
    this.writes += 1;
    return this.#store.leaseKeepAlive(leaseId);
  }

  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    return this.#store.leaseTimeToLive(leaseId);
  }

  leaseRevoke(leaseId: string): Promise<void> {
    this.writes += 1;
    return this.#store.leaseRevoke(leaseId);
  }

  close(): void {
    this.#store.close();
  }
}

/** Explanations and dry runs change nothing, whatever is asked. */
export function describeForesight(bench: RegistryBench): void {
  test("explanations and dry runs write nothing", async () => {
    const at = bench.prefix();
    const others = await bench.ready(at);
    for (const machineId of ["m1", "m2"]) {
      const request = {
        machineId,
        token: machineId,
        publicIp: "",
        metadata: {},
        version: "0",
        ttlMs: 60_000,
      };
      await others.registrations.register(request, bench.signal);
    }
    for (const name of ["a.service", "b.service"]) {
      await others.intents.put({ name, options: hello, target: "launched" });
    }
    const store = new OverheardStore(bench.etcd.client());
    const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const registry = new Registry({ ...common, store, prefix: at, memory: new Remembering() });
    await registry.guard.open(bench.signal);
    const api = await createApi({ ...common, registry, version: "0", tokenLimit: 100 });
    const directory = await mkdtemp(join(tmpdir(), "fleet-foresight-"));
    const socketPath = join(directory, "fleet.sock");
    const server = api.createServer();
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const client = new FleetClient({ endpoint: { kind: "unix", socketPath }, requestTimeoutMs: 10_000 });
    const before = await bench.raw.range({ from: at, to: `${at.slice(0, -1)}0` });
    store.writes = 0;

    expect(await client.explanation("a.service")).toMatchObject({ verdict: "waiting", machines: 2 });
    const wanted = { name: "new.service", options: [...hello], desiredState: "launched" as const };
    const dryRun = await client.dryRun({
      units: [wanted],
      destroy: ["b.service"],
      drain: ["m1"],
      without: ["m2"],
    });
    expect(dryRun?.steps.length).toBeGreaterThan(0);
    expect(dryRun?.waiting.map(({ unit }) => unit)).toEqual(["a.service", "new.service"]);

    const after = await bench.raw.range({ from: at, to: `${at.slice(0, -1)}0` });
    expect(store.writes).toBe(0);
    expect(after.rows).toEqual(before.rows);
    expect(after.revision).toBe(before.revision);

    // The ear hears: a write does count.
    await client.putUnit(wanted);
    expect(store.writes).toBeGreaterThan(0);

    client.close();
    await api.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    store.close();
    await rm(directory, { recursive: true });
  });
}
