import type { ApiRegistry } from "@fleet/api";
import { serializeUnitFile, type TargetState, type UnitOption, unitHash } from "@fleet/core";
import type {
  Change,
  ChangeBatch,
  CreateRestartOutcome,
  EventRecord,
  RequestedRestart,
  RestartRecord,
} from "@fleet/registry";
import { AbortedError, FleetError } from "@fleet/runtime";

interface UnitRow {
  readonly hash: string;
  readonly target: TargetState;
  readonly modRevision: number;
}

export interface StateRow {
  readonly active?: string;
  readonly sub?: string;
  readonly launched?: boolean;
  readonly hash?: string;
}

interface Follower {
  readonly push: (batch: ChangeBatch) => void;
  readonly disconnected: (error: FleetError) => void;
  readonly connected: () => void;
}

/** The registry as the API sees it, in memory, with a store that can be away, hang or be frozen. */
export class RegistryTwin implements ApiRegistry {
  /** `up`; `away`: every call fails; `hanging`: no call ever settles. */
  store: "up" | "away" | "hanging" = "up";
  frozen: FleetError | undefined;
  /** Holds watch batches back, as a slow watch would. */
  held = false;
  revision = 1;
  following = 0;
  readonly #units = new Map<string, UnitRow>();
  readonly #bodies = new Map<string, readonly UnitOption[]>();
  readonly #rows = new Map<string, Change>();
  readonly #followers = new Set<Follower>();
  readonly #heldBatches: ChangeBatch[] = [];

  readonly guard: ApiRegistry["guard"];
  readonly intents: ApiRegistry["intents"];
  readonly metadata: ApiRegistry["metadata"];
  readonly restarts: ApiRegistry["restarts"];
  readonly backup: ApiRegistry["backup"];
  readonly reseeding: ApiRegistry["reseeding"];
  readonly losses: ApiRegistry["losses"];
  /** Machines that are held for. */
  heldMachines: readonly string[] = [];
  /** Whether it is, or was, seeded anew. */
  seeding: "none" | "running" | "finished" = "none";
  /** What POST /restarts answers with instead of a restart. */
  restartRefusal: Extract<CreateRestartOutcome, { outcome: "refused" }> | undefined;
  readonly #restarts = new Map<string, RequestedRestart>();

  constructor() {
    const twin = this;
    this.guard = {
      get frozen() {
        return twin.frozen;
      },
      get clusterId() {
        return "c1";
      },
      get revision() {
        return twin.revision;
      },
      get epoch() {
        return twin.seeding === "none" ? 1 : 2;
      },
      get reseeding() {
        return twin.seeding === "running";
      },
      verify: () => this.#reach(() => undefined),
    };
    this.backup = {
      parts: () => this.#backupParts(),
    };
    this.reseeding = {
      found: () => this.#ask(() => ({ cluster: undefined, units: 0, keys: 0 })),
      begin: () =>
        this.#ask(() => {
          if (this.frozen === undefined && this.seeding !== "running") return { outcome: "healthy" };
          this.frozen = undefined;
          this.seeding = "running";
          return { outcome: "begun", epoch: 2 };
        }),
      progress: () =>
        this.#reach(() => ({
          running: this.seeding === "running",
          epoch: 2,
          units: this.#units.size,
          contributions: [{ machineId: "m1", units: 3, left: [{ unit: "x.service", reason: "duplicate" }] }],
          awaited: ["m2"],
          misplaced: [{ unit: "y.service", machineId: "m1", metadata: "role" }],
        })),
      finish: () =>
        this.#reach(() => {
          const running = this.seeding === "running";
          if (running) this.seeding = "finished";
          return running;
        }),
    };
    this.intents = {
      read: (name) =>
        this.#reach(() => {
          const row = this.#units.get(name);
          if (row === undefined) return undefined;
          return {
            name,
            options: this.#bodies.get(row.hash) ?? [],
            record: { hash: row.hash, target: row.target, generation: row.modRevision },
            modRevision: row.modRevision,
          };
        }),
      put: (request) => this.#reach(() => this.#put(request)),
      destroy: (name) =>
        this.#reach(() => {
          if (!this.#units.delete(name)) return { outcome: "absent" as const };
          this.write({ kind: "unit", name, entry: { status: "absent", modRevision: this.revision + 1 } });
          return { outcome: "destroyed" as const, revision: this.revision };
        }),
    };
    this.losses = {
      confirm: (machines) =>
        this.#reach(() => {
          const lost = this.heldMachines.filter((id) => machines === undefined || machines.includes(id));
          this.heldMachines = this.heldMachines.filter((id) => !lost.includes(id));
          return lost;
        }),
    };
    this.restarts = {
      create: (request) =>
        this.#reach(() => {
          if (this.restartRefusal !== undefined) return this.restartRefusal;
          const missing = request.units.find((name) => !this.#units.has(name));
          if (missing !== undefined) return { outcome: "refused", reason: "absent", unit: missing };
          const record: RestartRecord = { ...request, state: "running", steps: [] };
          return { outcome: "created", restart: this.addRestart(`c${this.revision}`, record) };
        }),
      list: () => this.#reach(() => [...this.#restarts.values()].reverse()),
      read: (id) => this.#reach(() => this.#restarts.get(id)),
      cancel: (id) => this.#reach(() => this.#restarts.delete(id)),
    };
    this.metadata = {
      apply: (changes) =>
        this.#reach(() => {
          if (changes.length === 0) return undefined;
          const entries = changes.map(({ machineId, key, value }) => {
            const record = value === undefined ? { removed: true as const } : { value };
            return { kind: "metadata" as const, machineId, key, entry: this.#present(record) };
          });
          this.write(...entries);
          return this.revision;
        }),
    };
  }

  addRestart(id: string, record: RestartRecord): RequestedRestart {
    this.revision += 1;
    const restart = { id, record, createRevision: this.revision, modRevision: this.revision };
    this.#restarts.set(id, restart);
    return restart;
  }

  hashOf(name: string): string {
    return this.#units.get(name)?.hash ?? "";
  }

  machine(machineId: string, publicIp: string, metadata: Readonly<Record<string, string>> = {}): void {
    const value = {
      id: machineId,
      token: "t",
      publicIp,
      metadata,
      leaving: false,
      formats: [1],
      version: "2",
    };
    this.write({ kind: "machine", machineId, entry: this.#present(value) });
  }

  /** The registration of a machine that is there. */
  registrationOf(machineId: string): number {
    const row = this.#rows.get(`machine/${machineId}`);
    return row?.kind === "machine" && row.entry.status === "present" ? row.entry.createRevision : 0;
  }

  machineGone(machineId: string): void {
    const entry = { status: "absent", modRevision: this.revision + 1 } as const;
    this.write({ kind: "machine", machineId, entry });
  }

  assign(machineId: string, unit: string): void {
    const value = { hash: this.hashOf(unit), target: "launched" as const, generation: 1, awaits: [] };
    this.write({ kind: "assignment", machineId, unit, entry: this.#present(value) });
  }

  withdraw(machineId: string, unit: string): void {
    const entry = { status: "absent", modRevision: this.revision + 1 } as const;
    this.write({ kind: "assignment", machineId, unit, entry });
  }

  publish(machineId: string, unit: string, row: StateRow): void {
    const { active = "active", sub = "running", launched = true, hash = this.hashOf(unit) } = row;
    const value = { hash, load: "loaded", active, sub, launched };
    this.write({ kind: "state", machineId, unit, entry: this.#present(value) });
  }

  unpublish(machineId: string, unit: string): void {
    const entry = { status: "absent", modRevision: this.revision + 1 } as const;
    this.write({ kind: "state", machineId, unit, entry });
  }

  write(...changes: readonly Change[]): void {
    this.revision += 1;
    for (const change of changes) this.#rows.set(keyOf(change), change);
    const batch = { revision: this.revision, changes };
    this.#past.push(batch);
    if (this.held) this.#heldBatches.push(batch);
    else for (const follower of this.#followers) follower.push(batch);
  }

  deliver(): void {
    this.held = false;
    while (this.#heldBatches.length > 0) this.deliverOne();
  }

  /** Of the batches held back the first; what comes after it stays where it is. */
  deliverOne(): void {
    const batch = this.#heldBatches.shift();
    if (batch !== undefined) for (const follower of this.#followers) follower.push(batch);
  }

  /** The store goes away and the watch notices. */
  goAway(): void {
    this.store = "away";
    const error = away();
    for (const follower of this.#followers) follower.disconnected(error);
  }

  comeBack(): void {
    this.store = "up";
    for (const follower of this.#followers) follower.connected();
  }

  async *followCluster(
    signal: AbortSignal,
    observer?: Parameters<ApiRegistry["followCluster"]>[1],
  ): AsyncGenerator<ChangeBatch> {
    const queue: ChangeBatch[] = [];
    let wake = (): void => {};
    const follower: Follower = {
      push: (batch) => {
        queue.push(batch);
        wake();
      },
      connected: () => {
        observer?.connected();
        wake();
      },
      disconnected: (error) => observer?.disconnected(error),
    };
    this.#followers.add(follower);
    this.following += 1;
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      while (this.store !== "up") {
        if (signal.aborted) throw new AbortedError();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      observer?.connected();
      queue.length = 0;
      yield { revision: this.revision, changes: [...this.#rows.values()] };
      for (;;) {
        if (signal.aborted) throw new AbortedError();
        const batch = queue.shift();
        if (batch !== undefined) yield batch;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.following -= 1;
      this.#followers.delete(follower);
    }
  }

  /** Revision up to which what happened is forgotten. */
  compactedAt = 0;
  /** How often changes were read once more. */
  replays = 0;
  readonly #past: ChangeBatch[] = [];

  async *replay(fromRevision: number, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    this.replays += 1;
    await this.#reach(() => undefined);
    if (fromRevision <= this.compactedAt) throw new FleetError("etcd_compacted", "compacted");
    yield* this.#past.filter(({ revision }) => revision >= fromRevision);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    throw new AbortedError();
  }

  record(id: string, ...events: readonly EventRecord[]): void {
    this.write({ kind: "events", id, entry: this.#present({ atMs: this.revision * 1_000, events }) });
  }

  dropRecord(id: string): void {
    this.write({ kind: "events", id, entry: { status: "absent", modRevision: this.revision + 1 } });
  }

  #put(request: Parameters<ApiRegistry["intents"]["put"]>[0]) {
    const { name, options, target } = request;
    const present = this.#units.get(name);
    if (present === undefined && options === undefined) return refused("no_options");
    const hash = options === undefined ? (present?.hash ?? "") : unitHash(options);
    const replaced = hash !== present?.hash;
    if (!replaced && target === undefined) return refused("no_target");
    if (!replaced && target === present?.target) {
      return { outcome: "unchanged" as const, revision: present?.modRevision ?? 0 };
    }
    const row = { hash, target: target ?? "inactive", modRevision: this.revision + 1 };
    this.#units.set(name, row);
    if (options !== undefined) this.#bodies.set(hash, options);
    this.write(
      { kind: "unit", name, entry: this.#present({ hash, target: row.target, generation: row.modRevision }) },
      { kind: "body", hash, entry: this.#present(this.#bodies.get(hash) ?? []) },
    );
    const outcome = present === undefined ? "created" : replaced ? "replaced" : "changed";
    return { outcome, revision: this.revision } as const;
  }

  #present<Value>(value: Value) {
    const revision = this.revision + 1;
    return { status: "present", value, createRevision: revision, modRevision: revision } as const;
  }

  async *#backupParts(): ReturnType<ApiRegistry["backup"]["parts"]> {
    await this.#reach(() => undefined);
    yield { kind: "cluster", id: "c1", epoch: 1, format: 1, revision: this.revision };
    for (const [hash, options] of this.#bodies) {
      yield { kind: "file", hash, text: serializeUnitFile(options) };
    }
    for (const [name, { hash, target }] of this.#units) yield { kind: "unit", name, hash, target };
  }

  #reach<Value>(answer: () => Value): Promise<Value> {
    if (this.frozen !== undefined) return Promise.reject(this.frozen);
    return this.#ask(answer);
  }

  /** Of a store that is not trusted, too. */
  #ask<Value>(answer: () => Value): Promise<Value> {
    if (this.store === "hanging") return new Promise(() => {});
    if (this.store === "away") return Promise.reject(away());
    return Promise.resolve(answer());
  }
}

function away(): FleetError {
  return new FleetError("etcd_unavailable", "connect ECONNREFUSED", { retryable: true });
}

function refused(reason: "no_options" | "no_target") {
  return { outcome: "refused", reason } as const;
}

function keyOf(change: Change): string {
  switch (change.kind) {
    case "unit":
      return `unit/${change.name}`;
    case "body":
      return `body/${change.hash}`;
    case "events":
      return `events/${change.id}`;
    case "machine":
      return `machine/${change.machineId}`;
    case "metadata":
      return `metadata/${change.machineId}/${change.key}`;
    case "assignment":
    case "state":
      return `${change.kind}/${change.machineId}/${change.unit}`;
    case "settled":
      return `settled/${change.machineId}`;
    case "exclusive-hold":
      return `exclusive-hold/${change.unit}`;
    default:
      return change.kind;
  }
}
