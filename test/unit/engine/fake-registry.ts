import type {
  Change,
  ChangeBatch,
  CommitOutcome,
  EngineWrite,
  Entry,
  EventsOutcome,
  EventsWrite,
  Term,
} from "@fleet/registry";
import { AbortedError, FleetError } from "@fleet/runtime";

/** More than any test needs: what goes on beyond it would go on for ever, in one turn of the event loop. */
const maxCommits = 300;

/** A registry of one engine, in memory: what is set is delivered at once, commits come back as changes. */
export class FakeRegistry {
  /** Everything committed, batch by batch. */
  readonly commits: (readonly EngineWrite[])[] = [];
  /** The records of events written, each as often as it was. */
  readonly events: EventsWrite[] = [];
  /** What the next records of events do instead of succeeding. */
  readonly eventFailures: ("fenced" | "lost_reply" | "unavailable")[] = [];
  /** What the next commits do instead of succeeding. */
  readonly failures: ("fenced" | "lost_reply" | "unavailable")[] = [];
  readonly resigned: number[] = [];
  /** Commits were refused because they came without an end. */
  ranAway = false;
  /** Machines that have missed a renewal. */
  readonly overdue = new Set<string>();
  /** How many machines each survey asked about. */
  readonly surveyed: number[] = [];
  revision = 10;
  terms = 0;
  readonly leadership = {
    campaign: (_candidate: unknown, signal: AbortSignal) => this.#campaign(signal),
  };
  readonly #present = new Map<string, Change>();
  readonly #followers = new Set<(batch: ChangeBatch) => void>();
  #term: { readonly number: number; readonly lost: AbortController } | undefined;
  #vacant: (() => void) | undefined;
  #commits = 0;

  /** What the next terms say. */
  inTouchSinceMs = Number.NEGATIVE_INFINITY;

  /** The engine does not hear of what happens until `deliver` is called. */
  holdBack = false;
  readonly #held: ChangeBatch[] = [];

  set(...changes: readonly Change[]): void {
    this.revision += 1;
    for (const change of changes) {
      if (change.entry.status === "absent") this.#present.delete(keyOf(change));
      else this.#present.set(keyOf(change), change);
    }
    this.#held.push({ revision: this.revision, changes });
    if (!this.holdBack) this.deliver();
  }

  deliver(): void {
    for (const batch of this.#held.splice(0)) for (const follower of this.#followers) follower(batch);
  }

  /** An entry of the present revision. */
  entry<Value>(value: Value): Entry<Value> {
    return { status: "present", value, createRevision: this.revision, modRevision: this.revision };
  }

  loseTerm(): void {
    this.#term?.lost.abort(new FleetError("fenced", "another engine leads"));
    this.#term = undefined;
  }

  /** Another engine leads until this is called. */
  becomeVacant(): void {
    this.#vacant?.();
  }

  async *followCluster(signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const queue: ChangeBatch[] = [{ revision: this.revision, changes: [...this.#present.values()] }];
    let wake = (): void => {};
    const follower = (batch: ChangeBatch): void => {
      queue.push(batch);
      wake();
    };
    const onAbort = (): void => wake();
    this.#followers.add(follower);
    signal.addEventListener("abort", onAbort);
    try {
      for (;;) {
        const batch = queue.shift();
        if (signal.aborted) throw new AbortedError(signal.reason);
        if (batch !== undefined) yield batch;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#followers.delete(follower);
      signal.removeEventListener("abort", onAbort);
    }
  }

  async overdueMachines(machineIds: readonly string[]): Promise<ReadonlySet<string>> {
    this.surveyed.push(machineIds.length);
    return new Set(machineIds.filter((machineId) => this.overdue.has(machineId)));
  }

  /** How often the data format was to be raised; there is one format. */
  raises = 0;

  async raiseFormat(): Promise<undefined> {
    this.raises += 1;
  }

  async commit(term: Term, writes: readonly EngineWrite[]): Promise<CommitOutcome> {
    const failure = this.failures.shift();
    if (failure === "unavailable") throw new FleetError("etcd_unavailable", "no etcd", { retryable: true });
    if (failure === "fenced" || term.number !== this.#term?.number) return { outcome: "fenced" };
    this.#commits += 1;
    this.ranAway = this.#commits > maxCommits;
    if (this.ranAway) throw new FleetError("ran_away", `more than ${maxCommits} commits`);
    this.commits.push(writes);
    const effective = writes.flatMap((write) => this.#change(write));
    if (effective.length > 0) this.set(...effective);
    if (failure === "lost_reply") throw new FleetError("etcd_timeout", "no reply", { retryable: true });
    return { outcome: "committed", revision: this.revision };
  }

  async recordEvents(term: Term, write: EventsWrite): Promise<EventsOutcome> {
    const failure = this.eventFailures.shift();
    if (failure === "unavailable") throw new FleetError("etcd_unavailable", "no etcd", { retryable: true });
    if (failure === "fenced" || term.number !== this.#term?.number) return { outcome: "fenced" };
    const id = `${String(term.number).padStart(4, "0")}-${String(write.sequence).padStart(4, "0")}`;
    const isNew = !this.#present.has(`events/${id}`);
    this.events.push(write);
    if (isNew) this.set({ kind: "events", id, entry: this.entry(write.record) });
    if (failure === "lost_reply") throw new FleetError("etcd_timeout", "no reply", { retryable: true });
    return { outcome: "recorded", id };
  }

  async #campaign(signal: AbortSignal): Promise<Term> {
    if (this.terms > 0) {
      await new Promise<void>((resolve) => {
        this.#vacant = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    if (signal.aborted) throw new AbortedError(signal.reason);
    this.terms += 1;
    const number = this.terms;
    const lost = new AbortController();
    this.#term = { number, lost };
    const resign = async (): Promise<void> => void this.resigned.push(number);
    return { number, lost: lost.signal, inTouchSinceMs: this.inTouchSinceMs, resign };
  }

  #change(write: EngineWrite): Change[] {
    const absent: Entry<never> = { status: "absent", modRevision: this.revision + 1 };
    switch (write.op) {
      case "assign": {
        const { machineId, unit } = write;
        return [{ kind: "assignment", machineId, unit, entry: this.entry(write.record) }];
      }
      case "assign-exclusive": {
        const { machineId, unit, hold } = write;
        const present = this.#present.get(`exclusive-hold/${unit}`)?.entry.modRevision;
        const machine = this.#present.get(`machine/${machineId}`)?.entry;
        const registration = machine?.status === "present" ? machine.createRevision : undefined;
        if (present !== write.heldAt || registration !== write.registration) return [];
        return [
          { kind: "assignment", machineId, unit, entry: this.entry(write.record) },
          { kind: "exclusive-hold", unit, entry: this.entry(hold) },
        ];
      }
      case "reschedule":
        return [{ kind: "reschedule", unit: write.unit, entry: this.entry(write.record) }];
      case "forget-reschedule":
        return [{ kind: "reschedule", unit: write.unit, entry: absent }];
      case "release-exclusive": {
        const { unit } = write;
        const same = this.#present.get(`exclusive-hold/${unit}`)?.entry.modRevision === write.heldAt;
        return same ? [{ kind: "exclusive-hold", unit, entry: absent }] : [];
      }
      case "withdraw": {
        const { machineId, unit } = write;
        const there = this.#present.has(`assignment/${machineId}/${unit}`);
        return there ? [{ kind: "assignment", machineId, unit, entry: absent }] : [];
      }
      case "settle": {
        const { machineId, registration } = write;
        return [{ kind: "settled", machineId, entry: this.entry({ registration }) }];
      }
      case "collect-body": {
        const body = this.#present.get(`body/${write.hash}`);
        const same = body?.entry.modRevision === write.modRevision;
        return same ? [{ kind: "body", hash: write.hash, entry: absent }] : [];
      }
      case "advance-restart": {
        const { id, record } = write;
        const present = this.#present.get(`restart/${id}`)?.entry;
        if (present?.status !== "present" || present.modRevision !== write.modRevision) return [];
        const { createRevision } = present;
        const { revision } = this;
        return [
          {
            kind: "restart",
            id,
            entry: { status: "present", value: record, createRevision, modRevision: revision },
          },
        ];
      }
      case "hold-losses": {
        const { record } = write;
        return [{ kind: "mass-loss", entry: record === undefined ? absent : this.entry(record) }];
      }
      case "forget-confirmed-losses": {
        const same = this.#present.get("confirmed-losses")?.entry.modRevision === write.modRevision;
        return same ? [{ kind: "confirmed-losses", entry: absent }] : [];
      }
      case "forget-restart": {
        const { id, modRevision } = write;
        const same = this.#present.get(`restart/${id}`)?.entry.modRevision === modRevision;
        return same ? [{ kind: "restart", id, entry: absent }] : [];
      }
    }
  }
}

function keyOf(change: Change): string {
  switch (change.kind) {
    case "unit":
      return `unit/${change.name}`;
    case "body":
      return `body/${change.hash}`;
    case "restart":
      return `restart/${change.id}`;
    case "machine":
    case "settled":
      return `${change.kind}/${change.machineId}`;
    case "metadata":
      return `metadata/${change.machineId}/${change.key}`;
    case "assignment":
    case "state":
      return `${change.kind}/${change.machineId}/${change.unit}`;
    case "exclusive-hold":
    case "reschedule":
      return `${change.kind}/${change.unit}`;
    case "events":
      return `events/${change.id}`;
    default:
      return change.kind;
  }
}
