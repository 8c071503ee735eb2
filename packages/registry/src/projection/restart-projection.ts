import { type ClusterModel, planRestarts, type RestartChange } from "@fleet/core";
import type { Entry } from "../changes.ts";
import type { EngineWrite } from "../commit.ts";
import type { RestartRecord, StateRecord } from "../records.ts";

interface KnownRecord {
  readonly record: RestartRecord;
  readonly modRevision: number;
}

/**
 * Keeps the model's restarts in step with the registry, and words what is to become of them as writes.
 *
 * Invariants:
 * - a record is written at most once as it stands: it has changed in the store by the time of the next write, or that
 *   would change nothing;
 * - one that cannot be read stays in the model as it was before.
 */
export class RestartProjection {
  readonly #model: ClusterModel;
  readonly #records = new Map<string, KnownRecord>();
  /** Id → mod revision of the record that has been written over. */
  readonly #attempted = new Map<string, number>();

  constructor(model: ClusterModel) {
    this.#model = model;
  }

  apply(id: string, entry: Entry<RestartRecord>): void {
    if (entry.status === "corrupt") return;
    if (entry.status === "absent") {
      this.#records.delete(id);
      this.#attempted.delete(id);
      this.#model.restarts.remove(id);
      return;
    }
    const { units, parallel, state, steps, message } = entry.value;
    this.#records.set(id, { record: entry.value, modRevision: entry.modRevision });
    this.#model.restarts.set({
      id,
      number: entry.createRevision,
      units,
      parallel,
      state,
      steps,
      ...(message === undefined ? {} : { message }),
    });
  }

  applyState(machineId: string, unit: string, entry: Entry<StateRecord>): void {
    // A row that cannot be read says nothing, and nothing is concluded from that.
    const row = entry.status === "present" ? entry.value : undefined;
    const report =
      row?.restart === undefined
        ? undefined
        : {
            outcome: row.restart,
            hash: row.hash,
            launched: row.launched,
            active: row.active,
            sub: row.sub,
          };
    this.#model.restarts.setReport(machineId, unit, report);
  }

  /** What carries the requests on; their effect is seen when it comes back through the watch. */
  writes(): readonly EngineWrite[] {
    return planRestarts(this.#model).flatMap((change) => this.#write(change));
  }

  #write(change: RestartChange): readonly EngineWrite[] {
    const id = change.kind === "forget" ? change.id : change.restart.id;
    const known = this.#records.get(id);
    if (known === undefined || this.#attempted.get(id) === known.modRevision) return [];
    const { record, modRevision } = known;
    this.#attempted.set(id, modRevision);
    return change.kind === "forget"
      ? [{ op: "forget-restart", id, modRevision }]
      : [{ op: "advance-restart", id, modRevision, record: { ...record, ...change.progress } }];
  }
}
