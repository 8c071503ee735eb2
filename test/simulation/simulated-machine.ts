import { Agent } from "@fleet/agent";
import { Engine } from "@fleet/engine";
import { Registry, type RememberedCluster } from "@fleet/registry";
import { Backoff, type Clock, type Logger, type Random, randomHex, supervise } from "@fleet/runtime";
import { FakeSystemd } from "@fleet/systemd";
import { EtcdClient } from "./etcd-client.ts";
import { FaultyStore } from "./faulty-store.ts";
import { FaultyUnitDirectory, FaultyUnitManager } from "./faulty-systemd.ts";
import { type ClockSkew, MachineClock } from "./machine-clock.ts";
import { MemoryJournal } from "./memory-journal.ts";
import { asOlderVersion } from "./older-version.ts";
import { ProcessClock } from "./process-clock.ts";
import type { Caller, SimulatedEtcd } from "./simulated-etcd.ts";

export const agentTtlMs = 5000;
const leaderTtlMs = 3000;
/** How long a call of a slow systemd may take. */
const slowestMs = 2000;
/** Often, since an audit must find nothing, and raises the data format. */
export const auditIntervalMs = 20_000;
export const prefix = "/fleet/";

/** `older` knows no restarts, `next` reads a data format more than the others. */
export type FleetdVersion = "older" | "present" | "next";
/** The latest data format there is. */
export const latestFormat = 2;
const formatsOf: { readonly [Version in FleetdVersion]: readonly number[] } = {
  older: [1],
  present: [1],
  next: [1, latestFormat],
};

export interface SimulatedMachineOptions {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly etcd: SimulatedEtcd;
  /** The world's. */
  readonly clock: Clock;
  readonly skew: ClockSkew;
  readonly random: Random;
  readonly logger: Logger;
}

interface Process {
  readonly caller: Caller;
  readonly agent: Agent;
  readonly registry: Registry;
  readonly client: EtcdClient;
  readonly store: FaultyStore;
  readonly manager: FaultyUnitManager;
  readonly directory: FaultyUnitDirectory;
  readonly clock: ProcessClock;
  readonly resign: () => Promise<void>;
  readonly end: () => void;
}

/** A machine: its systemd and tmpfs outlive the fleetd processes that come and go on it. */
export class SimulatedMachine {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly systemd: FakeSystemd;
  readonly #options: SimulatedMachineOptions;
  readonly #clock: MachineClock;
  readonly #journal: MemoryJournal;
  #remembered: RememberedCluster | undefined;
  #token: string | undefined;
  #process: Process | undefined;
  #processes = 0;
  #leaves = 0;
  #cut = false;
  #leavingSinceMs: number | undefined;
  #lastLeaveMs: number | undefined;
  #version: FleetdVersion = "present";
  #paused = false;
  /** systemd's. */
  #slowestMs = 0;
  #slowAtMs = Number.NEGATIVE_INFINITY;
  #directoryFails: "ENOSPC" | undefined;
  #stoodStillAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: SimulatedMachineOptions) {
    this.#options = options;
    this.id = options.id;
    this.metadata = options.metadata;
    this.#clock = new MachineClock(options.clock, options.skew);
    this.systemd = new FakeSystemd(this.#clock);
    this.#journal = new MemoryJournal(this.#clock);
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

  /** Why fleetd acts on nothing it reads, if so. */
  get frozen(): string | undefined {
    return this.#process?.registry.guard.frozen?.code;
  }

  /** Fleetd may take an earlier state of the cluster's store for the cluster's store: it has seen nothing later. */
  get mayTakeStoreForLatest(): boolean {
    const caller = this.#process?.caller;
    return caller !== undefined && this.#options.etcd.mayBeTakenForLatest(caller);
  }

  /** How often fleetd was told to leave. What it had begun to unload is unloaded, also by the fleetd after it. */
  get leaves(): number {
    return this.#leaves;
  }

  /** When fleetd was last told to leave, in milliseconds of the world. It may have been started again since. */
  get lastLeaveMs(): number | undefined {
    return this.#lastLeaveMs;
  }

  /** Since when fleetd has been leaving, in milliseconds of the world. */
  get leavingSinceMs(): number | undefined {
    return this.#leavingSinceMs;
  }

  /** Of fleetd, at the latest from its next start on. */
  get version(): FleetdVersion {
    return this.#version;
  }

  /** When the whole machine last stood still, in milliseconds of the world: nothing on it could act then. */
  get stoodStillAtMs(): number {
    return this.#paused ? this.#options.clock.monotonic() : this.#stoodStillAtMs;
  }

  /** A call of systemd may be on its way for so long that what it asks for is overtaken. */
  get hasSlowSystemd(): boolean {
    return this.#slowestMs > 0 || this.#options.clock.monotonic() - this.#slowAtMs < 2 * slowestMs;
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
    const { etcd, random, logger, metadata } = this.#options;
    this.#token ??= randomHex(random, 32);
    this.#processes += 1;
    const formats = formatsOf[this.#version];
    const name = `${this.id.slice(0, 8)}#${this.#processes}`;
    const caller: Caller = { name, formats, seen: () => registry.guard.revision };
    const clock = new ProcessClock(this.#clock);
    if (this.#paused) clock.stop();
    const client = new EtcdClient(etcd, caller, clock, random);
    const store = new FaultyStore(client, clock, random);
    if (this.#cut) store.cut();
    const common = { clock, random, logger: logger.child({ machine: caller.name }) };
    const registry = new Registry({
      ...common,
      store: this.#version === "older" ? asOlderVersion(store) : store,
      prefix,
      formats,
      memory: {
        load: async () => this.#remembered,
        save: async (cluster) => {
          this.#remembered = cluster;
        },
      },
    });
    const manager = new FaultyUnitManager(this.systemd, clock, this.#clock, random);
    const directory = new FaultyUnitDirectory(this.systemd, clock);
    const journal = this.#journal.open(() => clock.running());
    const agent = new Agent({
      ...common,
      registry,
      machineId: this.id,
      token: this.#token,
      publicIp: "127.0.0.1",
      metadata,
      version: "0",
      ttlMs: agentTtlMs,
      manager,
      directory,
      journal,
    });
    const machineId = this.id;
    const engine = new Engine({ ...common, registry, machineId, leaderTtlMs, agentTtlMs, auditIntervalMs });
    const running = new AbortController();
    const engineTask = async (signal: AbortSignal): Promise<void> => {
      await registry.guard.open(signal);
      await engine.run(signal);
    };
    void agent.run(running.signal);
    const engineEnded = new AbortController();
    const engineRun = supervise(
      {
        ...common,
        name: "engine",
        task: engineTask,
        backoff: new Backoff({ initialMs: 100, maxMs: 2000 }, random),
      },
      AbortSignal.any([running.signal, engineEnded.signal]),
    );
    const resign = (): Promise<void> => {
      engineEnded.abort();
      return engineRun;
    };
    const end = (): void => {
      store.kill();
      journal.kill();
      manager.disconnect();
      running.abort();
    };
    this.#process = { caller, agent, registry, client, store, manager, directory, clock, resign, end };
    this.#passOn(this.#process);
  }

  /** kill -9 of fleetd: its units run on. */
  kill(): void {
    this.#process?.end();
    this.#process = undefined;
    this.#leavingSinceMs = undefined;
  }

  /** SIGTERM to fleetd: it unloads its units and leaves. Its engine goes on until then, and hands over. */
  leave(): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#leaves += 1;
    this.#lastLeaveMs = this.#options.clock.monotonic();
    this.#leavingSinceMs ??= this.#options.clock.monotonic();
    void process.agent
      .leave()
      .then(process.resign)
      .then(() => {
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

  /** From its next start on fleetd is of this version. */
  install(version: FleetdVersion): void {
    this.#version = version;
  }

  /** SIGSTOP of fleetd. */
  stopProcess(): void {
    this.#process?.clock.stop();
  }

  /** The whole machine stands still, as a virtual machine that is paused. */
  pause(): void {
    this.#paused = true;
    this.#clock.pause();
    this.#process?.clock.stop();
  }

  /** Ends both kinds of standing still. */
  resume(): void {
    if (this.#paused) this.#stoodStillAtMs = this.#options.clock.monotonic();
    this.#paused = false;
    this.#clock.resume();
    this.#process?.clock.continue();
  }

  /** Nothing gets from here to etcd or back. */
  cutOff(): void {
    this.#cut = true;
    this.#process?.store.cut();
  }

  heal(): void {
    this.#cut = false;
    this.#process?.store.heal();
    this.#process?.client.lag(5);
  }

  /** The connection to etcd breaks, and is there again at once. */
  dropConnection(): void {
    this.#process?.client.disconnect();
  }

  /** Watches deliver late. */
  lag(milliseconds: number): void {
    this.#process?.client.lag(milliseconds);
  }

  loseReplies(share: number): void {
    this.#process?.store.loseReplies(share);
  }

  delayWrites(share: number): void {
    this.#process?.store.delayWrites(share);
  }

  /** Ways to systemd that fail or are slow; `healSystemd` ends all of them. */
  loseSystemd(how: "connection" | "signals" | "replies" | "speed" | "directory"): void {
    const process = this.#process;
    if (how === "connection") process?.manager.disconnect();
    if (how === "signals") process?.manager.loseSignals(true);
    if (how === "replies") process?.manager.loseReplies(true);
    if (how === "speed") this.#slowestMs = slowestMs;
    if (how === "directory") this.#directoryFails = "ENOSPC";
    this.#passOn(process);
  }

  /** What the connection is not to blame for a fleetd that is started anew finds as well. */
  #passOn(process: Process | undefined): void {
    process?.manager.slow(this.#slowestMs);
    process?.directory.fail(this.#directoryFails);
  }

  healSystemd(): void {
    const process = this.#process;
    if (this.#slowestMs > 0) this.#slowAtMs = this.#options.clock.monotonic();
    this.#slowestMs = 0;
    this.#directoryFails = undefined;
    this.#passOn(process);
    process?.manager.loseReplies(false);
    process?.manager.loseSignals(false);
    // Signals are lost with a connection only: a new one makes fleetd look at everything.
    process?.manager.disconnect();
    process?.manager.reconnect();
  }
}
