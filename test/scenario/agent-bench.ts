import { Agent, type AgentReport, type JournalStore } from "@fleet/agent";
import { parseUnitFile, type TargetState, unitHash } from "@fleet/core";
import {
  type AssignmentRecord,
  MemoryEtcd,
  MemoryStore,
  Registry,
  type RememberedCluster,
  type Store,
  type Term,
} from "@fleet/registry";
import { type Metrics, type Random, silentLogger, silentMetrics } from "@fleet/runtime";
import { FakeSystemd, FakeUnitDirectory, FakeUnitManager } from "@fleet/systemd";
import { FaultyStore } from "../simulation/faulty-store.ts";
import { MemoryJournal } from "../simulation/memory-journal.ts";
import { seededRandom } from "../simulation/seeded-random.ts";
import { SimulatedClock } from "../simulation/simulated-clock.ts";
import { HeldStore } from "./held-store.ts";

/** Runs until it is stopped. */
export const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
/** Its ExecStop takes 3 s. */
export const slowStop = "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 3\n";

export const machineId = "aaaaaaaa000000000000000000000001";

/** One agent process on the bench's machine. */
export interface AgentProcess {
  readonly agent: Agent;
  readonly store: FaultyStore;
  /** Between the agent and `store`. */
  readonly held: HeldStore;
  readonly manager: FakeUnitManager;
  readonly directory: FakeUnitDirectory;
  /** kill -9. */
  kill(): void;
  /** Asks for an orderly end, as for a reload. */
  end(): void;
  /** Its `run`. */
  readonly ended: Promise<void>;
}

/** One machine with a real agent, and a hand that writes what an engine would. */
export class AgentBench {
  readonly clock = new SimulatedClock();
  readonly systemd = new FakeSystemd(this.clock);
  readonly journal = new MemoryJournal(this.clock);
  readonly etcd = new MemoryEtcd(this.clock);
  readonly #random: Random;
  readonly #registry: Registry;
  #remembered: RememberedCluster | undefined;
  #term: Term | undefined;
  #generation = 0;
  readonly #assigned = new Map<string, AssignmentRecord>();
  readonly #stop = new AbortController();

  constructor(seed = 1) {
    this.#random = seededRandom(seed);
    this.#registry = this.#open(new MemoryStore(this.etcd));
  }

  #open(store: Store): Registry {
    return new Registry({
      store,
      prefix: "/fleet/",
      memory: {
        load: async () => this.#remembered,
        save: async (cluster) => {
          this.#remembered = cluster;
        },
      },
      clock: this.clock,
      random: this.#random,
      logger: silentLogger,
    });
  }

  /** `journal` wraps what the process keeps its journal in. */
  start(
    options: { token?: string; journal?: (journal: JournalStore) => JournalStore; metrics?: Metrics } = {},
  ): AgentProcess {
    const store = new FaultyStore(new MemoryStore(this.etcd), this.clock, this.#random);
    const held = new HeldStore(store);
    const manager = new FakeUnitManager(this.systemd);
    const directory = new FakeUnitDirectory(this.systemd);
    const journal = this.journal.open();
    const agent = new Agent({
      machineId,
      token: options.token ?? "token-1",
      publicIp: "127.0.0.2",
      metadata: {},
      version: "0",
      ttlMs: 5000,
      registry: this.#open(held),
      manager,
      directory,
      journal: options.journal?.(journal) ?? journal,
      clock: this.clock,
      random: this.#random,
      logger: silentLogger,
      metrics: options.metrics ?? silentMetrics,
    });
    const process = new AbortController();
    const ended = agent.run(process.signal);
    const kill = (): void => {
      store.kill();
      journal.kill();
      manager.disconnect();
      process.abort();
    };
    return { agent, store, held, manager, directory, kill, end: () => process.abort(), ended };
  }

  /** Becomes leader, so that assignments can be written. */
  async lead(): Promise<void> {
    await this.#registry.guard.open(this.#stop.signal);
    const campaign = this.#registry.leadership.campaign(
      { machineId: "bench", ttlMs: 5000 },
      this.#stop.signal,
    );
    let elected = false;
    void campaign.then((term) => {
      this.#term = term;
      elected = true;
    });
    await this.clock.advanceUntil(() => elected, 10_000);
  }

  /** The operator's hand on a registry that was wiped. */
  get reseeding(): Registry["reseeding"] {
    return this.#registry.reseeding;
  }

  /** Submits the unit file and assigns it to the machine. Each call is a new intent. */
  async assign(
    name: string,
    text: string,
    target: Exclude<TargetState, "inactive">,
    awaits: readonly string[] = [],
    restart?: number,
  ) {
    const file = parseUnitFile(text);
    if (!file.ok) throw new Error("bad unit file in the test");
    await this.#registry.intents.put({ name, options: file.value, target });
    this.#generation += 1;
    const record = {
      hash: unitHash(file.value),
      target,
      generation: this.#generation,
      awaits,
      ...(restart === undefined ? {} : { restart }),
    };
    this.#assigned.set(name, record);
    await this.#commit([{ op: "assign", machineId, unit: name, record }]);
  }

  /** Orders a restart of an assigned unit, or takes the order back. */
  async restart(name: string, number: number | undefined): Promise<void> {
    const assigned = this.#assigned.get(name);
    if (assigned === undefined) throw new Error("assign() first");
    const { restart, ...rest } = assigned;
    const record = number === undefined ? rest : { ...rest, restart: number };
    await this.#commit([{ op: "assign", machineId, unit: name, record }]);
  }

  /** Asks for what an assigned unit was asked for before once more, if it has failed. */
  async retry(name: string): Promise<void> {
    const assigned = this.#assigned.get(name);
    if (assigned === undefined) throw new Error("assign() first");
    this.#generation += 1;
    const { generation, retryOf = generation } = assigned;
    const record = { ...assigned, generation: this.#generation, retryOf };
    this.#assigned.set(name, record);
    await this.#commit([{ op: "assign", machineId, unit: name, record }]);
  }

  async withdraw(name: string): Promise<void> {
    await this.#commit([{ op: "withdraw", machineId, unit: name }]);
  }

  /** Tells the agent that its present registration has been taken into account. */
  async settle(agent: Agent): Promise<void> {
    const { registration } = agent.report();
    if (registration === undefined) throw new Error("not registered");
    await this.#commit([{ op: "settle", machineId, registration }]);
  }

  /** The state row of a unit as the store has it, e.g. `active running launched`. */
  row(name: string): string | undefined {
    const [row] = this.etcd.range({ from: `/fleet/states/${machineId}/${name}` }).rows;
    if (row === undefined) return undefined;
    const { active, sub, launched } = JSON.parse(row.value);
    return `${active} ${sub}${launched ? " launched" : ""}`;
  }

  /** What happened to a unit, in order. */
  history(name: string): readonly string[] {
    return this.systemd.history.filter((event) => event.unit === name).map((event) => event.kind);
  }

  /** How often systemd was asked to start a unit. */
  starts(name: string): number {
    return this.history(name).filter((kind) => kind === "start-queued").length;
  }

  async registered(process: AgentProcess): Promise<AgentReport> {
    await this.clock.advanceUntil(() => process.agent.report().registration !== undefined, 20_000);
    return process.agent.report();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#term?.resign();
    this.etcd.close();
  }

  async #commit(writes: Parameters<Registry["commit"]>[1]): Promise<void> {
    if (this.#term === undefined) throw new Error("lead() first");
    const outcome = await this.#registry.commit(this.#term, writes, this.#stop.signal);
    if (outcome.outcome !== "committed") throw new Error("the bench lost its lead");
  }
}

/** A bench with one agent on it, registered and settled. */
export async function settledAgent(): Promise<{ bench: AgentBench; agent: AgentProcess }> {
  const bench = new AgentBench();
  await bench.lead();
  const agent = bench.start();
  await bench.registered(agent);
  await bench.settle(agent.agent);
  await bench.clock.advance(100);
  return { bench, agent };
}
