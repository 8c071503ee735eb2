import { diff, fenceTasks, type JournalEntry } from "@fleet/core";
import {
  Backoff,
  type Clock,
  errorCode,
  errorMessage,
  LevelLoop,
  type Logger,
  type Metrics,
  type Random,
  silentMetrics,
  sleep,
  supervise,
} from "@fleet/runtime";
import type { UnitDirectory, UnitManager } from "@fleet/systemd";
import { ActivationTimes } from "./activation-times.ts";
import { type AgentMetrics, agentMetrics } from "./agent-metrics.ts";
import { contributeUnits } from "./contribute-units.ts";
import { DesiredUnits } from "./desired-units.ts";
import { Dispatcher } from "./dispatcher.ts";
import { ExclusiveFence } from "./exclusive-fence.ts";
import type { AgentRegistry, JournalStore, Registration } from "./ports.ts";
import { Presence } from "./presence.ts";
import { Publisher } from "./publisher.ts";
import { RetrySchedule } from "./retry-schedule.ts";
import { UnitExecutor } from "./unit-executor.ts";
import { UnitJournal } from "./unit-journal.ts";

export interface AgentOptions {
  readonly machineId: string;
  /** Random, kept on tmpfs: a restarted agent has the same one, another process with this machine id has not. */
  readonly token: string;
  readonly publicIp: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** fleetd's version, to show. */
  readonly version: string;
  /** After this long without a keep-alive the machine counts as lost. */
  readonly ttlMs: number;
  readonly registry: AgentRegistry;
  readonly manager: UnitManager;
  readonly directory: UnitDirectory;
  readonly journal: JournalStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Silent unless given. */
  readonly metrics?: Metrics;
}

/** How long a machine that has unloaded everything waits for the registry to take note of it. */
const flushLimitMs = 2_000;

/** A look inside, for people. */
export interface AgentReport {
  readonly registration: number | undefined;
  readonly settled: boolean;
  readonly leaving: boolean;
  /** Exclusive units that were stopped because the lease was about to end, and not started again since. */
  readonly fenced: readonly string[];
  readonly busy: readonly string[];
  readonly journal: readonly JournalEntry[];
}

/**
 * Makes one machine's systemd match its assignments.
 *
 * Invariants:
 * - a pass compares and hands out, it waits for nothing: what takes long (a stop, a slow systemd) keeps only
 *   its own unit busy;
 * - without a registration nothing new is begun, and what runs goes on running.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #journal: UnitJournal;
  readonly #publisher: Publisher;
  readonly #dispatcher: Dispatcher;
  readonly #presence: Presence;
  readonly #retries: RetrySchedule;
  readonly #loop: LevelLoop;
  readonly #metrics: AgentMetrics;
  readonly #activations: ActivationTimes;
  readonly #fence: ExclusiveFence;
  readonly #stop = new AbortController();
  #journalRead: Promise<void> | undefined;
  #signal: AbortSignal | undefined;
  #desired: DesiredUnits | undefined;
  #registration: Registration | undefined;
  #leaving: { readonly emptied: () => void } | undefined;

  constructor(options: AgentOptions) {
    const { registry, manager, directory, clock, random, logger } = options;
    this.#options = options;
    this.#journal = new UnitJournal(options.journal);
    this.#metrics = agentMetrics(options.metrics ?? silentMetrics, {
      registered: () => this.#registration !== undefined,
      settled: () => this.#isSettled(),
      busy: () => this.#dispatcher.busy.size,
      activeStates: () => this.#publisher.activeStates(),
    });
    this.#activations = new ActivationTimes(clock, this.#metrics.activation);
    this.#retries = new RetrySchedule(clock, random, () => this.#loop.trigger());
    this.#publisher = new Publisher({
      manager,
      journal: this.#journal.entries,
      clock,
      random,
      logger,
      onRefused: (error) => this.#presence.drop(error),
      onStatus: (unit, active) => {
        // Of one that has not been started yet the state is that of before.
        if (this.#journal.entries.get(unit)?.launched === true) this.#activations.seen(unit, active);
      },
    });
    this.#fence = new ExclusiveFence({
      ...options,
      journal: this.#journal.entries,
      fencedUnits: this.#metrics.fencedUnits,
      onChange: () => {
        // What failed before says nothing about stopping.
        if (this.#fence.stopsAll) this.#retries.clear();
        this.#loop.trigger();
      },
    });
    this.#dispatcher = new Dispatcher({
      executor: new UnitExecutor({
        registry,
        manager,
        directory,
        journal: this.#journal,
        publisher: this.#publisher,
        fence: this.#fence,
        logger,
      }),
      retries: this.#retries,
      tasks: this.#metrics.tasks,
      logger,
      onIdle: () => this.#loop.trigger(),
      onRefused: (error) => this.#presence.drop(error),
    });
    this.#presence = new Presence({
      ...options,
      onRegistered: (registration) => this.#onRegistered(registration),
      onChanges: (batch) => {
        this.#desired?.apply(batch);
        // A new order, or the change that made a task stale: worth a try at once.
        for (const change of batch.changes) {
          if (change.kind !== "assignment") continue;
          this.#retries.succeeded(change.unit);
          this.#noteOrder(change.unit);
        }
        this.#loop.trigger();
      },
      onLost: () => this.#onLost(),
    });
    this.#loop = new LevelLoop({
      name: "agent",
      pass: () => this.#pass(),
      clock,
      backoff: new Backoff({ initialMs: 100, maxMs: 5000 }, random),
      logger,
    });
  }

  /**
   * Runs until the signal fires or `leave` has ended. Units are left as they are: a later process adopts them. When
   * it has returned nothing is under way any more: the journal is free for the next one.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { manager, clock, random, logger } = this.#options;
    const stopped = AbortSignal.any([signal, this.#stop.signal]);
    this.#journalRead = this.#journal.load();
    await this.#journalRead;
    this.#signal = stopped;
    const unsubscribe = manager.subscribe({
      onChange: (unit) => {
        if (this.#journal.entries.has(unit)) this.#publisher.touch(unit);
      },
      onReset: (cause) => {
        this.#publisher.touchAll();
        // A reload may come of the very attempt that is about to fail: it is no reason to try at once.
        if (cause === "connected") this.#retries.clear();
        this.#loop.trigger();
      },
    });
    const presence = supervise(
      {
        name: "presence",
        task: (taskSignal) => this.#presence.run(taskSignal),
        clock,
        backoff: new Backoff({ initialMs: 100, maxMs: 2000 }, random),
        logger,
      },
      stopped,
    );
    const disconnect = new AbortController();
    const connection = manager.run(disconnect.signal);
    await Promise.all([this.#publisher.run(stopped), this.#loop.run(stopped), presence]);
    this.#fence.end();
    // Systemd's answers to calls under way are waited for: the next agent would repeat a start nobody took note of.
    await this.#dispatcher.idle();
    disconnect.abort();
    await connection;
    unsubscribe();
    this.#retries.clear();
  }

  /**
   * Leaves the cluster in order: unloads every unit, each of which may run elsewhere as soon as its own stop has
   * ended, then gives the registration up and ends `run`. Works without the registry, too: the units then
   * run elsewhere once this machine's lease has expired. Rejects with `journal_failed` when it cannot be known
   * which units there are.
   */
  async leave(): Promise<void> {
    const { logger } = this.#options;
    await this.#journalRead;
    logger.info("leaving", { units: this.#journal.entries.size });
    if (this.#signal !== undefined) {
      // The engine must hear of it first, or it would give each unit back to this machine once its row is gone.
      const heard = await this.#markLeaving();
      const emptied = new AbortController();
      const announced = heard ? undefined : this.#markLeavingUntil(emptied.signal);
      await new Promise<void>((resolve) => {
        this.#leaving = { emptied: resolve };
        this.#retries.clear();
        this.#loop.trigger();
      });
      emptied.abort();
      await announced;
      await this.#fence.leave();
      // Rows that go one by one tell that units have ended, rows that go with the machine tell nothing.
      await this.#publisher.flushed(flushLimitMs);
      await this.#tryRegistry("leave", (registration) => registration.leave());
    }
    this.#stop.abort();
  }

  report(): AgentReport {
    return {
      registration: this.#registration?.number,
      settled: this.#isSettled(),
      leaving: this.#leaving !== undefined,
      fenced: [...this.#fence.stopped, ...this.#fence.fired].sort(),
      busy: [...this.#dispatcher.busy].sort(),
      journal: [...this.#journal.entries.values()].sort((a, b) => (a.unit < b.unit ? -1 : 1)),
    };
  }

  async #onRegistered(registration: Registration): Promise<void> {
    if (this.#stop.signal.aborted) {
      // It was on its way when the machine left: the engine must not give units to nobody until the lease runs out.
      await registration.leave();
      return;
    }
    await this.#fence.begin(registration);
    await this.#contribute(registration);
    this.#desired = new DesiredUnits(this.#options.machineId);
    this.#registration = registration;
    this.#metrics.registrations.add({});
    await this.#publisher.begin(registration);
    if (this.#leaving !== undefined) await registration.leaving();
  }

  /** While nothing is desired no task is handed out: what is told of is what there is. */
  async #contribute(registration: Registration): Promise<void> {
    const { registry, directory, logger } = this.#options;
    if (!registry.guard.owesUnits) return;
    await this.#dispatcher.idle();
    await contributeUnits({ registration, journal: this.#journal, directory, logger });
    await registry.guard.unitsContributed();
  }

  #noteOrder(unit: string): void {
    const ordered = this.#desired?.get(unit)?.assignment.target === "launched";
    if (!ordered) this.#activations.cancelled(unit);
    else if (this.#journal.entries.get(unit)?.launched !== true) this.#activations.ordered(unit);
  }

  #onLost(): void {
    this.#registration = undefined;
    this.#desired = undefined;
    this.#activations.clear();
    this.#publisher.end();
  }

  #isSettled(): boolean {
    const registration = this.#registration;
    return registration !== undefined && this.#desired?.settled?.registration === registration.number;
  }

  async #pass(): Promise<void> {
    const desired = this.#desired;
    const leaving = this.#leaving;
    const signal = this.#signal;
    if (signal === undefined) return;
    if (leaving === undefined && this.#fence.stopsAll) {
      const fencing = fenceTasks(this.#journal.entries, this.#fence.stopped);
      this.#dispatcher.dispatch(fencing, { desired: undefined, registration: undefined, signal });
      return;
    }
    if (desired === undefined && leaving === undefined) return;
    const tasks = diff({
      assignments: desired?.assignments ?? new Map(),
      unreadable: desired?.unreadable ?? new Set(),
      journal: this.#journal.entries,
      settled: this.#isSettled(),
      spared: desired?.settled?.spared ?? [],
      fired: this.#fence.fired,
      leaving: leaving !== undefined,
    });
    if (leaving !== undefined && tasks.length === 0 && this.#dispatcher.busy.size === 0) leaving.emptied();
    this.#dispatcher.dispatch(tasks, { desired, registration: this.#registration, signal });
  }

  #markLeaving(): Promise<boolean> {
    return this.#tryRegistry("mark_leaving", (registration) => registration.leaving());
  }

  /** A stop may take minutes, and all the while the engine would leave the other units to this machine. */
  async #markLeavingUntil(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    const backoff = new Backoff({ initialMs: 100, maxMs: 2000 }, random);
    for (;;) {
      await sleep(clock, backoff.next(), signal).catch(() => {});
      if (signal.aborted || (await this.#markLeaving())) return;
    }
  }

  /** False when it failed; there is nothing to do without a registration. */
  async #tryRegistry(event: string, call: (registration: Registration) => Promise<void>): Promise<boolean> {
    const { logger } = this.#options;
    if (this.#registration === undefined) return true;
    try {
      await call(this.#registration);
      return true;
    } catch (error) {
      logger.warn(`${event}_failed`, { code: errorCode(error), message: errorMessage(error) });
      return false;
    }
  }
}
