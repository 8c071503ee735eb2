import type { UnitOption } from "@fleet/core";
import { type Clock, type Logger, type Metrics, type Random, silentMetrics } from "@fleet/runtime";
import { Backup } from "./backup.ts";
import type { ChangeBatch, FollowObserver } from "./changes.ts";
import { ClusterGuard, type ClusterMemory } from "./cluster-guard.ts";
import { type CommitOutcome, Committer, type EngineWrite } from "./commit.ts";
import { DataFormat } from "./data-format.ts";
import { EventRecords, type EventsOutcome, type EventsWrite } from "./event-records.ts";
import { Follow } from "./follow.ts";
import { Keyspace } from "./keyspace.ts";
import { Leadership, type Term } from "./leadership.ts";
import { LeaseSurvey } from "./lease-survey.ts";
import { LossConfirmations } from "./loss-confirmations.ts";
import { MachineMetadata } from "./machine-metadata.ts";
import { readableFormats } from "./records.ts";
import { Registrations } from "./registrations.ts";
import { type FollowMetrics, registryMetrics } from "./registry-metrics.ts";
import { replay } from "./replay.ts";
import { Reseeding } from "./reseeding.ts";
import { RestartRequests } from "./restart-requests.ts";
import type { KeyRange, Store } from "./store.ts";
import { UnitFiles } from "./unit-files.ts";
import { UnitIntents } from "./unit-intents.ts";

export interface RegistryOptions {
  readonly store: Store;
  /** etcd_key_prefix. */
  readonly prefix: string;
  readonly memory: ClusterMemory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Silent unless given. */
  readonly metrics?: Metrics;
  /** See ClusterGuardOptions: false keeps an empty prefix empty. */
  readonly mayCreate?: boolean;
  /** The data formats that are read; `readableFormats` unless given. */
  readonly formats?: readonly number[];
}

/** The cluster's shared state: all that fleet reads from and writes to etcd goes through here. */
export class Registry {
  readonly guard: ClusterGuard;
  /** For the API. */
  readonly intents: UnitIntents;
  /** For the API. */
  readonly metadata: MachineMetadata;
  /** For the API. */
  readonly restarts: RestartRequests;
  /** For the API. */
  readonly losses: LossConfirmations;
  /** For the API. */
  readonly backup: Backup;
  /** For the API. */
  readonly reseeding: Reseeding;
  /** For the engine. */
  readonly leadership: Leadership;
  /** For the agent. */
  readonly registrations: Registrations;
  readonly #options: RegistryOptions;
  readonly #keys: Keyspace;
  readonly #files: UnitFiles;
  readonly #committer: Committer;
  readonly #events: EventRecords;
  readonly #dataFormat: DataFormat;
  readonly #survey: LeaseSurvey;
  readonly #metrics: FollowMetrics;

  constructor(options: RegistryOptions) {
    const { store, clock, random, logger, formats = readableFormats } = options;
    const keys = new Keyspace(options.prefix);
    const guard = new ClusterGuard({ ...options, keys });
    this.#options = options;
    this.#keys = keys;
    this.guard = guard;
    this.#metrics = registryMetrics(options.metrics ?? silentMetrics, guard);
    this.#files = new UnitFiles(guard, keys);
    this.intents = new UnitIntents(guard, keys, this.#files);
    this.metadata = new MachineMetadata(guard, keys);
    this.restarts = new RestartRequests(guard, keys, random);
    this.backup = new Backup(guard, keys);
    this.reseeding = new Reseeding({ store, guard, keys, logger });
    this.leadership = new Leadership({ store, guard, keys, clock, random, logger });
    this.registrations = new Registrations({ store, guard, keys, clock, logger, formats });
    this.#dataFormat = new DataFormat({ guard, keys, logger, formats });
    this.losses = new LossConfirmations(guard, keys);
    this.#committer = new Committer(guard, keys, this.leadership);
    this.#events = new EventRecords(guard, keys, this.leadership);
    this.#survey = new LeaseSurvey(store, guard, keys);
  }

  /**
   * Everything below the prefix: first one batch with all that is there, then exactly the differences. Survives
   * disconnects, compaction and a frozen cluster (by waiting); ends only by throwing AbortedError.
   */
  followCluster(signal: AbortSignal, observer?: FollowObserver): AsyncIterable<ChangeBatch> {
    return this.#follow(this.#keys.all(), signal, observer);
  }

  /** Like `followCluster`, for the assignments of one machine and whether they are settled. */
  followMachine(
    machineId: string,
    signal: AbortSignal,
    observer?: FollowObserver,
  ): AsyncIterable<ChangeBatch> {
    return this.#follow(this.#keys.assignmentsOf(machineId), signal, observer);
  }

  /** See `replay`. */
  replay(fromRevision: number, signal: AbortSignal): AsyncIterable<ChangeBatch> {
    const { store } = this.#options;
    return replay({ store, guard: this.guard, keys: this.#keys }, fromRevision, signal);
  }

  /** See `Committer.commit`. */
  commit(term: Term, writes: readonly EngineWrite[], signal: AbortSignal): Promise<CommitOutcome> {
    return this.#committer.commit(term, writes, signal);
  }

  /** See `EventRecords.record`. */
  recordEvents(term: Term, write: EventsWrite, signal: AbortSignal): Promise<EventsOutcome> {
    return this.#events.record(term, write, signal);
  }

  /** See `LeaseSurvey.overdue`. */
  overdueMachines(machineIds: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    return this.#survey.overdue(machineIds, signal);
  }

  /** See `DataFormat.raise`. */
  raiseFormat(term: Term): Promise<number | undefined> {
    return this.#dataFormat.raise(term);
  }

  /** See `UnitFiles.read`. */
  body(hash: string): Promise<readonly UnitOption[] | undefined> {
    return this.#files.read(hash);
  }

  #follow(
    range: Required<KeyRange>,
    signal: AbortSignal,
    observer: FollowObserver | undefined,
  ): AsyncIterable<ChangeBatch> {
    const { store, clock, random } = this.#options;
    const { guard } = this;
    const metrics = this.#metrics;
    return new Follow({ store, guard, keys: this.#keys, clock, random, range, observer, metrics }).batches(
      signal,
    );
  }
}
