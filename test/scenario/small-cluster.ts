import { Agent } from "@fleet/agent";
import { parseUnitFile } from "@fleet/core";
import { Engine, type EngineStatus } from "@fleet/engine";
import { MemoryEtcd, MemoryStore, Registry } from "@fleet/registry";
import { type Clock, silentLogger } from "@fleet/runtime";
import { FakeSystemd, FakeUnitDirectory, FakeUnitManager } from "@fleet/systemd";
import { FaultyStore } from "../simulation/faulty-store.ts";
import { MemoryJournal } from "../simulation/memory-journal.ts";
import { seededRandom } from "../simulation/seeded-random.ts";
import { SimulatedClock } from "../simulation/simulated-clock.ts";

const prefix = "/fleet/";
const leaderTtlMs = 2_000;

/** Production agents and engines on simulated time, around one in-memory etcd, from which machines can be cut off. */
export class SmallCluster {
  readonly clock = new SimulatedClock();
  readonly etcd = new MemoryEtcd(this.clock);
  readonly machines: readonly SmallMachine[];
  readonly user: Registry;

  constructor(machines: number, agentTtlMs: number) {
    this.machines = Array.from(
      { length: machines },
      (_, index) => new SmallMachine(this.etcd, this.clock, index + 1, agentTtlMs),
    );
    this.user = registryOver(new MemoryStore(this.etcd), this.clock, 0);
  }

  async start(): Promise<void> {
    for (const machine of this.machines) {
      machine.start();
      await this.clock.advance(10);
    }
    await this.user.guard.open(new AbortController().signal);
    await this.clock.advanceUntil(() => this.machines.every(({ settled }) => settled), 30_000);
  }

  async launch(unit: string, text: string): Promise<void> {
    const file = parseUnitFile(text);
    if (!file.ok) throw new Error(`${unit} cannot be read`);
    await this.user.intents.put({ name: unit, target: "launched", options: file.value });
  }

  /** `unit machine-number` of all assignments, sorted. */
  assignments(): readonly string[] {
    const from = `${prefix}assignments/`;
    const { rows } = this.etcd.range({ from, to: `${prefix}assignments0` });
    return rows
      .map(({ key }) => key.slice(from.length).split("/"))
      .filter(([, unit]) => unit !== "@settled")
      .map(([machine = "", unit]) => `${unit} ${machine.slice(0, 1)}`)
      .sort();
  }

  present(machine: SmallMachine): boolean {
    return this.etcd.range({ from: `${prefix}machines/${machine.id}` }).rows.length > 0;
  }

  /** What the leading engine says; undefined while none leads. */
  leader(): EngineStatus | undefined {
    return this.machines.map(({ engine }) => engine.status()).find(({ term }) => term !== undefined);
  }

  close(): void {
    for (const machine of this.machines) machine.end();
    this.etcd.close();
  }
}

export class SmallMachine {
  readonly id: string;
  readonly systemd: FakeSystemd;
  readonly engine: Engine;
  readonly #agent: Agent;
  readonly #store: FaultyStore;
  readonly #registry: Registry;
  readonly #running = new AbortController();

  constructor(etcd: MemoryEtcd, clock: Clock, number: number, agentTtlMs: number) {
    this.id = number.toString(16).repeat(32);
    this.systemd = new FakeSystemd(clock);
    const random = seededRandom(number);
    this.#store = new FaultyStore(new MemoryStore(etcd), clock, random);
    this.#registry = registryOver(this.#store, clock, number);
    const common = { registry: this.#registry, clock, random, logger: silentLogger, machineId: this.id };
    this.#agent = new Agent({
      ...common,
      token: `token ${number}`,
      publicIp: "127.0.0.1",
      metadata: {},
      version: "0",
      ttlMs: agentTtlMs,
      manager: new FakeUnitManager(this.systemd),
      directory: new FakeUnitDirectory(this.systemd),
      journal: new MemoryJournal(clock).open(),
    });
    this.engine = new Engine({ ...common, leaderTtlMs, agentTtlMs });
  }

  get settled(): boolean {
    return this.#agent.report().settled === true;
  }

  start(): void {
    const { signal } = this.#running;
    void this.#agent.run(signal);
    void this.#registry.guard.open(signal).then(
      () => this.engine.run(signal),
      () => {},
    );
  }

  /** Nothing gets from here to etcd or back. */
  cutOff(): void {
    this.#store.cut();
  }

  heal(): void {
    this.#store.heal();
  }

  end(): void {
    this.#store.kill();
    this.#running.abort();
  }
}

function registryOver(store: MemoryStore | FaultyStore, clock: Clock, seed: number): Registry {
  return new Registry({
    store,
    prefix,
    memory: { load: async () => undefined, save: async () => {} },
    clock,
    random: seededRandom(seed),
    logger: silentLogger,
  });
}
