import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Api, createApi } from "@fleet/api";
import {
  type MassLossRecord,
  MemoryEtcd,
  MemoryStore,
  type Registration,
  Registry,
  type RememberedCluster,
  type Term,
  type UnitRecord,
} from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";

const machineId = "0acdd9bf00000000000000000000abcd";
const ttlMs = 30_000;

/**
 * The real API server on a unix socket, over the in-memory store, with one machine that does at once what it
 * is told. Its systemd fails units whose names begin with `fail` and never gets done with those that begin
 * with `slow`.
 */
export class OneMachineCluster {
  /** Streams opened so far. */
  streams = 0;
  readonly #stop = new AbortController();
  readonly #directory: string;
  readonly #registry: Registry;
  readonly #api: Api;
  readonly #server: Server;
  #running: Promise<void> = Promise.resolve();
  #term: Term | undefined;

  private constructor(directory: string, registry: Registry, api: Api) {
    this.#directory = directory;
    this.#registry = registry;
    this.#api = api;
    this.#server = api.createServer();
    this.#server.on("upgrade", () => {
      this.streams += 1;
    });
  }

  static async start(): Promise<OneMachineCluster> {
    const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const store = new MemoryStore(new MemoryEtcd(systemClock));
    const registry = new Registry({ store, prefix: "/_coreos.com/fleet/", memory: memory(), ...common });
    const api = await createApi({ registry, version: "0.0.0", tokenLimit: 100, ...common });
    const directory = await mkdtemp(join(tmpdir(), "fleetctl-"));
    const cluster = new OneMachineCluster(directory, registry, api);
    await cluster.#start();
    return cluster;
  }

  get endpoint(): string {
    return `unix://${this.#socketPath}`;
  }

  /** As an engine that has seen a mass loss. */
  async hold(record: MassLossRecord): Promise<void> {
    if (this.#term === undefined) throw new Error("nobody leads");
    await this.#registry.commit(this.#term, [{ op: "hold-losses", record }], this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#api.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true });
  }

  get #socketPath(): string {
    return join(this.#directory, "fleet.sock");
  }

  async #start(): Promise<void> {
    const { signal } = this.#stop;
    await this.#registry.guard.open(signal);
    const registered = await this.#registry.registrations.register(
      {
        machineId,
        token: "token",
        publicIp: "10.0.2.15",
        metadata: { region: "china" },
        version: "0.0.0",
        ttlMs,
      },
      signal,
    );
    if (registered.outcome !== "registered") throw new Error("the machine's id is taken");
    const term = await this.#registry.leadership.campaign({ machineId, ttlMs }, signal);
    this.#term = term;
    this.#running = this.#work(term, registered.registration).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    await new Promise<void>((resolve) => this.#server.listen(this.#socketPath, resolve));
  }

  async #work(term: Term, registration: Registration): Promise<void> {
    try {
      for await (const batch of this.#registry.followCluster(this.#stop.signal)) {
        for (const change of batch.changes) {
          if (change.kind !== "unit" || change.entry.status === "corrupt") continue;
          const wanted = change.entry.status === "present" ? change.entry.value : undefined;
          await this.#obey(term, registration, change.name, wanted);
        }
      }
    } finally {
      await registration.leave();
      await term.resign();
    }
  }

  async #obey(
    term: Term,
    registration: Registration,
    unit: string,
    wanted: UnitRecord | undefined,
  ): Promise<void> {
    const { signal } = this.#stop;
    if (wanted === undefined || wanted.target === "inactive") {
      await this.#registry.commit(term, [{ op: "withdraw", machineId, unit }], signal);
      await registration.publish({ put: [], remove: [unit] });
      return;
    }
    const { hash, target, generation } = wanted;
    const record = { hash, target, generation, awaits: [] };
    await this.#registry.commit(term, [{ op: "assign", machineId, unit, record }], signal);
    const launched = target === "launched";
    const [active, sub] = launched ? startOf(unit) : ["inactive", "dead"];
    await registration.publish({
      put: [{ unit, record: { hash, load: "loaded", active, sub, launched } }],
      remove: [],
    });
  }
}

function startOf(unit: string): readonly [active: string, sub: string] {
  if (unit.startsWith("fail")) return ["failed", "failed"];
  if (unit.startsWith("slow")) return ["activating", "start-pre"];
  return ["active", "running"];
}

function memory() {
  let remembered: RememberedCluster | undefined;
  return {
    load: async () => remembered,
    save: async (cluster: RememberedCluster) => {
      remembered = cluster;
    },
  };
}
