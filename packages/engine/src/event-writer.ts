import type { EventsOutcome, EventsRecord, EventsWrite } from "@fleet/registry";
import { Backoff, type Clock, LevelLoop, type Logger, type Random, sleep } from "@fleet/runtime";
import type { ClusterEvent } from "./cluster-event.ts";

export interface EventWriterOptions {
  readonly write: (write: EventsWrite, signal: AbortSignal) => Promise<EventsOutcome>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Events of a record, with the one that counts what is left out. Units may not take the room of machines. */
const mostEvents = 100;
const mostOfUnits = 90;
/** Records that are kept. */
const mostRecords = 256;
/** Between two records: what happens meanwhile shares the next one. */
const spacingMs = 100;
const retryBackoff = { initialMs: 100, maxMs: 5_000 };

interface Draft {
  readonly atMs: number;
  readonly events: ClusterEvent[];
  omitted: number;
}

/**
 * Writes events down without being in anybody's way: noting one costs next to nothing, and nobody waits for the writing.
 *
 * Invariants:
 * - at most one record is being written and at most one gathered, both of at most `mostEvents`;
 * - a record whose writing has failed is written again under the same number until that succeeds or the term ends: it is
 *   in the registry once, and before all that came after it;
 * - nothing is written before the records that are there already are known.
 */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #loop: LevelLoop;
  /** Ids of the records that are in the registry, ascending; undefined before they are known. */
  #stored: string[] | undefined;
  #gathered: Draft | undefined;
  #writing: { readonly sequence: number; readonly record: EventsRecord } | undefined;
  #sequence = 0;

  constructor(options: EventWriterOptions) {
    const { clock, random, logger } = options;
    this.#options = options;
    this.#loop = new LevelLoop({
      name: "events",
      pass: (signal) => this.#pass(signal),
      clock,
      backoff: new Backoff(retryBackoff, random),
      logger,
    });
  }

  note(event: ClusterEvent): void {
    this.#gathered ??= { atMs: Math.round(this.#options.clock.now()), events: [], omitted: 0 };
    const { events } = this.#gathered;
    // One place is for the count of what is left out.
    const room = "unit" in event ? mostOfUnits : mostEvents - 1;
    if (events.length < room) events.push(event);
    else this.#gathered.omitted += 1;
    this.#loop.trigger();
  }

  /** Ids of the records that were there before the first of these. */
  found(ids: readonly string[]): void {
    this.#stored = [...ids].sort();
    this.#loop.trigger();
  }

  /** Writes until the signal fires. Never rejects. */
  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const stored = this.#stored;
    if (stored === undefined) return;
    this.#writing ??= this.#take();
    while (this.#writing !== undefined) {
      const keepFrom = stored[stored.length - (mostRecords - 1)];
      const result = await this.#options.write({ ...this.#writing, keepFrom }, signal);
      // Then the term is over.
      if (result.outcome === "fenced") return;
      stored.push(result.id);
      stored.splice(0, stored.length - mostRecords);
      this.#writing = undefined;
      await sleep(this.#options.clock, spacingMs, signal);
      this.#writing = this.#take();
    }
  }

  #take(): { readonly sequence: number; readonly record: EventsRecord } | undefined {
    if (this.#gathered === undefined) return undefined;
    const { atMs, events, omitted } = this.#gathered;
    this.#gathered = undefined;
    this.#sequence += 1;
    const counted: readonly ClusterEvent[] = omitted === 0 ? [] : [{ kind: "omitted", count: omitted }];
    return { sequence: this.#sequence, record: { atMs, events: [...events, ...counted] } };
  }
}
