import { Agent } from "@fleet/agent";
import { Engine } from "@fleet/engine";
import { type MemoryEtcd, MemoryStore, Registry, type RememberedCluster } from "@fleet/registry";
import { Backoff, type Clock, type Logger, type Random, randomHex, supervise } from "@fleet/runtime";
import { FakeSystemd, FakeUnitDirectory, FakeUnitManager } from "@fleet/systemd";
import { FaultyStore } from "./faulty-store.ts";
import { MemoryJournal } from "./memory-journal.ts";

const agentTtlMs = 5000;
const leaderTtlMs = 3000;
export const prefix = "/fleet/";

export interface SimulatedMachineOptions {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly etcd: MemoryEtcd;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Process {
  readonly agent: Agent;
  readonly store: FaultyStore;
  readonly end: () => void;
}

/** A machine: its systemd and tmpfs outlive the fleetd processes that come and go on it. */
export class SimulatedMachine {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly systemd: FakeSystemd;
  readonly #options: SimulatedMachineOptions;
  readonly #journal: MemoryJournal;
  #remembered: RememberedCluster | undefined;
  #token: string | undefined;
  #process: Process | undefined;
  #cut = false;

  constructor(options: SimulatedMachineOptions) {
    this.#options = options;
    this.id = options.id;
    this.metadata = options.metadata;
    this.systemd = new FakeSystemd(options.clock);
    this.#journal = new MemoryJournal(options.clock);
  }

  /** fleetd runs. */
  get up(): boolean {
    return this.#process !== undefined;
  }

  get cut(): boolean {
    return this.#cut;
  }

  get report(): ReturnType<Agent["report"]> | undefined {
    return this.#process?.agent.report();
  }

  /** Number of the restart that the unit underwent, or was about to, at a moment. */
  restartAt(unit: string, at: number): number | undefined {
    return this.#journal.restarts.findLast((each) => each.unit === unit && each.at <= at)?.number;
  }

  get runaway(): boolean {
    return this.#journal.runaway;
  }

  start(): void {
    if (this.#process !== undefined) return;
    const { etcd, clock, random, logger, metadata } = this.#options;
    this.#token ??= randomHex(random, 32);
    const store = new FaultyStore(new MemoryStore(etcd), clock, random);
    if (this.#cut) store.cut();
    const registry = this.openRegistry(store);
    const manager = new FakeUnitManager(this.systemd);
    const journal = this.#journal.open();
    const common = { registry, clock, random, logger: logger.child({ machine: this.id.slice(0, 8) }) };
    const agent = new Agent({
      ...common,
      machineId: this.id,
      token: this.#token,
      publicIp: "127.0.0.1",
      metadata,
      version: "0",
      ttlMs: agentTtlMs,
      manager,
      directory: new FakeUnitDirectory(this.systemd),
      journal,
    });
    const engine = new Engine({ ...common, machineId: this.id, leaderTtlMs, agentTtlMs });
    const running = new AbortController();
    const engineTask = async (signal: AbortSignal): Promise<void> => {
      await registry.guard.open(signal);
      await engine.run(signal);
    };
    void agent.run(running.signal);
    void supervise(
      {
        ...common,
        name: "engine",
        task: engineTask,
        backoff: new Backoff({ initialMs: 100, maxMs: 2000 }, random),
      },
      running.signal,
    );
    const end = (): void => {
      store.kill();
      journal.kill();
      manager.disconnect();
      running.abort();
    };
    this.#process = { agent, store, end };
  }

  /** kill -9 of fleetd: its units run on. */
  kill(): void {
    this.#process?.end();
    this.#process = undefined;
  }

  /** SIGTERM to fleetd: it unloads its units and leaves. */
  leave(): void {
    const process = this.#process;
    if (process === undefined) return;
    void process.agent.leave().then(() => {
      if (this.#process === process) this.kill();
    });
  }

  reboot(): void {
    this.kill();
    this.systemd.reboot();
    this.#journal.entries.clear();
    this.#remembered = undefined;
    this.#token = undefined;
  }

  /** Nothing gets from here to etcd or back. */
  cutOff(): void {
    this.#cut = true;
    this.#process?.store.cut();
  }

  heal(): void {
    this.#cut = false;
    this.#process?.store.heal();
  }

  loseReplies(share: number): void {
    this.#process?.store.loseReplies(share);
  }

  delayWrites(share: number): void {
    this.#process?.store.delayWrites(share);
  }

  openRegistry(store: FaultyStore | MemoryStore): Registry {
    const { clock, random, logger } = this.#options;
    return new Registry({
      store,
      prefix,
      memory: {
        load: async () => this.#remembered,
        save: async (cluster) => {
          this.#remembered = cluster;
        },
      },
      clock,
      random,
      logger,
    });
  }
}
