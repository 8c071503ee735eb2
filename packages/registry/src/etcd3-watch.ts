import { Readable } from "node:stream";
import { AbortedError, type CancelTimer, type Clock } from "@fleet/runtime";
import type { WatchStream } from "./etcd3-endpoint.ts";
import { storeError } from "./etcd3-errors.ts";
import type { WatchAnswer } from "./etcd3-messages.ts";
import { StoreError, type WatchBatch, type WatchEvent, type WatchRequest } from "./store.ts";

export interface WatchTiming {
  readonly clock: Clock;
  /** After this long without a word from etcd it is asked for one. */
  readonly probeAfterMs: number;
  /** An answer, the first one included, must come within this. */
  readonly answerWithinMs: number;
}

/** The watches of a process probe on the same beat: an idle one is woken once for all of them. */
const probeBeatMs = 1_000;

/** Answers waiting for the reader; beyond this etcd is kept from sending more. */
const maxWaiting = 256;

/**
 * One watch on one stream of its own.
 *
 * The library's watcher resumes from the wrong revision after a reconnect; this one never reconnects: it fails, and
 * whoever reads resumes from the last batch received.
 *
 * Invariants:
 * - answers are handed on in the order they came, none after a failure;
 * - a silent etcd (cut off, or without a leader) is noticed within a second more than `probeAfterMs + answerWithinMs`.
 */
export class Etcd3Watch {
  readonly address: string;
  readonly #stream: WatchStream;
  readonly #timing: WatchTiming;
  readonly #waiting: WatchAnswer[] = [];
  #failure: StoreError | AbortedError | undefined;
  #wake: () => void = () => {};
  #cancelTimer: CancelTimer = () => {};
  #paused = false;
  #asked = false;

  /** `address` is that of the etcd at the other end. */
  constructor(stream: WatchStream, address: string, timing: WatchTiming) {
    this.#stream = stream;
    this.address = address;
    this.#timing = timing;
    stream.on("data", (answer) => this.#heard(answer));
    stream.on("error", (error) => this.#fail(storeError(error, address)));
    stream.on("end", () => this.#fail(new StoreError("etcd_unavailable", "etcd ended the watch")));
  }

  /** Ends only by throwing StoreError or AbortedError; `close` must follow. */
  async *batches(
    { from, to, fromRevision }: WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, never> {
    const onAbort = (): void => this.#fail(new AbortedError(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#stream.write({
      create_request: {
        key: Buffer.from(from),
        ...(to === undefined ? {} : { range_end: Buffer.from(to) }),
        start_revision: fromRevision,
        fragment: true,
      },
    });
    this.#expectAnswer();
    try {
      // Of a revision that a fragment may have ended in: the rest comes in the next answer.
      let held: WatchEvent[] = [];
      for (;;) {
        const answer = await this.#next();
        if (answer.canceled) throw canceled(answer, this.address);
        const events = [...held, ...answer.events];
        held = answer.fragment ? events.splice(lastRevisionIndex(events)) : [];
        const last = events.at(-1);
        if (last !== undefined) yield { revision: revisionOf(last), events };
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Asks etcd for a sign of life now: something else was not answered. */
  probe(): void {
    // Asked again it would have longer to answer.
    if (this.#failure !== undefined || this.#asked || this.#paused) return;
    this.#stream.write({ progress_request: {} });
    this.#expectAnswer();
  }

  close(): void {
    this.#fail(new StoreError("etcd_unavailable", "the watch was closed"));
    // Ended first: the library takes an error on a writable stream for a failure of the host.
    this.#stream.end();
    this.#stream.cancel();
  }

  async #next(): Promise<WatchAnswer> {
    for (;;) {
      const answer = this.#waiting.shift();
      if (answer !== undefined) {
        this.#resume();
        return answer;
      }
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #heard(answer: WatchAnswer): void {
    if (this.#failure !== undefined) return;
    this.#asked = false;
    this.#waiting.push(answer);
    if (this.#waiting.length >= maxWaiting && this.#stream instanceof Readable) {
      this.#paused = true;
      this.#stream.pause();
      // Nothing is heard while paused, however alive etcd is.
      this.#cancelTimer();
    } else {
      this.#probeLater();
    }
    this.#wake();
  }

  #resume(): void {
    if (!this.#paused || this.#waiting.length > 0 || !(this.#stream instanceof Readable)) return;
    this.#paused = false;
    this.#stream.resume();
    this.#probeLater();
  }

  #probeLater(): void {
    const { clock, probeAfterMs } = this.#timing;
    const nowMs = clock.monotonic();
    const dueMs = Math.ceil((nowMs + probeAfterMs) / probeBeatMs) * probeBeatMs;
    this.#cancelTimer();
    this.#cancelTimer = clock.after(dueMs - nowMs, () => this.probe());
  }

  #expectAnswer(): void {
    if (this.#failure !== undefined) return;
    const { clock, answerWithinMs } = this.#timing;
    this.#asked = true;
    this.#cancelTimer();
    this.#cancelTimer = clock.after(answerWithinMs, () => {
      this.#fail(
        new StoreError(
          "etcd_unavailable",
          `etcd at ${this.address} has not answered a watch for ${answerWithinMs} ms`,
        ),
      );
    });
  }

  #fail(failure: StoreError | AbortedError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#cancelTimer();
    this.#wake();
  }
}

function canceled(answer: WatchAnswer, address: string): StoreError {
  if (answer.compactRevision > 0) {
    return new StoreError("etcd_compacted", `history begins at revision ${answer.compactRevision}`);
  }
  const error = storeError(new Error(answer.cancelReason), address);
  return error instanceof StoreError && error.code !== "etcd_failed"
    ? error
    : new StoreError("etcd_unavailable", `etcd cancelled the watch: ${answer.cancelReason}`);
}

function revisionOf(event: WatchEvent): number {
  return event.type === "put" ? event.row.modRevision : event.modRevision;
}

/** Where the events of the last revision begin. */
function lastRevisionIndex(events: readonly WatchEvent[]): number {
  const last = events.at(-1);
  if (last === undefined) return 0;
  const revision = revisionOf(last);
  return events.findLastIndex((event) => revisionOf(event) !== revision) + 1;
}
