import { throwIfAborted } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import type { Leadership, Term } from "./leadership.ts";
import { type EventsRecord, eventsCodec } from "./records.ts";

/** One record of events, and which older ones go. */
export interface EventsWrite {
  /** Number of the record in its term, counted from 1. The same number with the same record may be written again. */
  readonly sequence: number;
  readonly record: EventsRecord;
  /** Id of the oldest record to be kept; undefined: all are. */
  readonly keepFrom: string | undefined;
}

export type EventsOutcome =
  | { readonly outcome: "recorded"; readonly id: string }
  /** Another engine leads. */
  | { readonly outcome: "fenced" };

/** Writes down what an engine tells of itself: the only writer of `events/`, fenced by the term. */
export class EventRecords {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;
  readonly #leadership: Leadership;

  constructor(guard: ClusterGuard, keys: Keyspace, leadership: Leadership) {
    this.#guard = guard;
    this.#keys = keys;
    this.#leadership = leadership;
  }

  /**
   * Writes the record and deletes the older ones, unless the record is there already: nobody is to be told of it twice.
   * Rejects with StoreError, AbortedError or the frozen error; it may be carried out then.
   */
  async record(
    term: Term,
    { sequence, record, keepFrom }: EventsWrite,
    signal: AbortSignal,
  ): Promise<EventsOutcome> {
    throwIfAborted(signal);
    const keys = this.#keys;
    const id = recordId(this.#guard.epoch, term.number, sequence);
    const key = keys.eventsRecord(id);
    const result = await this.#guard.txn({
      compares: [
        { key: keys.leader(), test: "createRevision", equals: term.number },
        { key, test: "absent" },
      ],
      success: [
        { op: "put", key, value: eventsCodec.encode(record) },
        ...(keepFrom === undefined
          ? []
          : [{ op: "delete" as const, from: keys.eventsRecord(""), to: keys.eventsRecord(keepFrom) }]),
      ],
      failure: [{ op: "get", from: keys.leader() }],
    });
    if (result.succeeded || result.results[0]?.[0]?.createRevision === term.number) {
      return { outcome: "recorded", id };
    }
    this.#leadership.deposed(term.number);
    return { outcome: "fenced" };
  }
}

/** Of fixed width, so that records sort by age as texts. Terms may begin anew with an epoch. */
function recordId(epoch: number, term: number, sequence: number): string {
  return `${padded(epoch, 6)}-${padded(term, 16)}-${padded(sequence, 8)}`;
}

function padded(number: number, digits: number): string {
  return String(number).padStart(digits, "0");
}
