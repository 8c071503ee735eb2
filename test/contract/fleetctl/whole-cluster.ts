import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "@fleet/agent";
import { type Api, createApi } from "@fleet/api";
import { parseUnitFile, type TargetState } from "@fleet/core";
import { Engine } from "@fleet/engine";
import { MemoryEtcd, MemoryStore, Registry, type RememberedCluster } from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { FakeSystemd, FakeUnitDirectory, FakeUnitManager } from "@fleet/systemd";
import { MemoryJournal } from "../../simulation/memory-journal.ts";

const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
const machineId = "0acdd9bf00000000000000000000abcd";

/** API, engine and agent of one machine as they are, over an in-memory etcd and a simulated systemd, in real time. */
export class WholeCluster {
  readonly systemd = new FakeSystemd(systemClock);
  readonly registry: Registry;
  readonly endpoint: string;
  /** Requests so far: `GET /fleet/v1/units`. */
  readonly requests: string[] = [];
  readonly #etcd: MemoryEtcd;
  readonly #directory: string;
  readonly #api: Api;
  readonly #server: Server;
  readonly #stop = new AbortController();
  #running: readonly Promise<void>[] = [];

  private constructor(directory: string, etcd: MemoryEtcd, registry: Registry, api: Api) {
    this.#directory = directory;
    this.#etcd = etcd;
    this.registry = registry;
    this.#api = api;
    this.#server = api.createServer();
    this.#server.on("request", ({ method, url }) => this.requests.push(`${method} ${url}`));
    this.endpoint = `unix://${join(directory, "fleet.sock")}`;
  }

  static async start(): Promise<WholeCluster> {
    let remembered: RememberedCluster | undefined;
    const memory = {
      load: async () => remembered,
      save: async (cluster: RememberedCluster) => {
        remembered = cluster;
      },
    };
    const etcd = new MemoryEtcd(systemClock);
    const registry = new Registry({ store: new MemoryStore(etcd), prefix: "/fleet/", memory, ...common });
    const api = await createApi({ registry, version: "0.0.0", tokenLimit: 100, ...common });
    const directory = await mkdtemp(join(tmpdir(), "fleetctl-"));
    const cluster = new WholeCluster(directory, etcd, registry, api);
    await cluster.#start();
    return cluster;
  }

  /** Submits a unit with a target state and waits until systemd shows it so. */
  async put(name: string, text: string, target: TargetState): Promise<void> {
    const file = parseUnitFile(text);
    if (!file.ok) throw new Error(file.problem.message);
    await this.registry.intents.put({ name, options: file.value, target });
    if (target === "inactive") return;
    await this.until(() => this.#row(name)?.launched === (target === "launched"));
  }

  /** How often the unit's main process has begun. */
  starts(name: string): number {
    return this.systemd.history.filter(({ kind, unit }) => kind === "started" && unit === name).length;
  }

  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error("the condition did not come to hold");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    await this.#api.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#etcd.close();
    await rm(this.#directory, { recursive: true });
  }

  #row(unit: string): { readonly launched: boolean } | undefined {
    const [row] = this.#etcd.range({ from: `/fleet/states/${machineId}/${unit}` }).rows;
    return row && JSON.parse(row.value);
  }

  async #start(): Promise<void> {
    const { registry, systemd } = this;
    const { signal } = this.#stop;
    await registry.guard.open(signal);
    const agent = new Agent({
      ...common,
      machineId,
      token: "token",
      publicIp: "10.0.2.15",
      metadata: {},
      version: "0.0.0",
      ttlMs: 30_000,
      registry,
      manager: new FakeUnitManager(systemd),
      directory: new FakeUnitDirectory(systemd),
      journal: new MemoryJournal(systemClock).open(),
    });
    const engine = new Engine({
      ...common,
      registry,
      machineId,
      leaderTtlMs: 10_000,
      agentTtlMs: 30_000,
    });
    this.#running = [agent.run(signal), engine.run(signal)];
    await new Promise<void>((resolve) => this.#server.listen(join(this.#directory, "fleet.sock"), resolve));
    await this.until(() => agent.report().settled);
  }
}
