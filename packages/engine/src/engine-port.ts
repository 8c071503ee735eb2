import type {
  ChangeBatch,
  CommitOutcome,
  EngineWrite,
  EventsOutcome,
  EventsWrite,
  FollowObserver,
  Term,
} from "@fleet/registry";

/** What the engine needs of the registry; `Registry` of @fleet/registry has this shape. */
export interface EngineRegistry {
  readonly leadership: {
    /** Waits until elected; rejects with AbortedError only. */
    campaign(
      candidate: { readonly machineId: string; readonly ttlMs: number },
      signal: AbortSignal,
    ): Promise<Term>;
  };
  /** First everything that is there, then exactly the differences; ends only by throwing AbortedError. */
  followCluster(signal: AbortSignal, observer?: FollowObserver): AsyncIterable<ChangeBatch>;
  /** Those of these machines that have missed a renewal of their lease. Rejects with StoreError. */
  overdueMachines(machineIds: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>;
  /** Raises the data format once all machines present read a later one; undefined when there is nothing to raise. */
  raiseFormat(term: Term): Promise<number | undefined>;
  /** Rejects with a retryable error when it is not known what was carried out. */
  commit(term: Term, writes: readonly EngineWrite[], signal: AbortSignal): Promise<CommitOutcome>;
  /** Rejects with a retryable error when it is not known whether it was carried out; it may be asked for again. */
  recordEvents(term: Term, write: EventsWrite, signal: AbortSignal): Promise<EventsOutcome>;
}
