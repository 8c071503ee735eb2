import type { CancelTimer, Clock, FleetError } from "@fleet/runtime";
import type { WebSocket } from "ws";
import type { ClusterCache } from "../cache/cluster-cache.ts";
import { watchClose } from "../contract/close-codes.ts";
import { message } from "../contract/messages.ts";
import type { WatchMessage } from "../contract/watch.ts";
import { StreamPicture } from "./stream-picture.ts";

export interface StreamLimits {
  /** How long a receiver may take to accept one message. */
  readonly drainMs: number;
  /** Interval of pings; a receiver that has not answered the last one is dropped. */
  readonly pingMs: number;
  /** How long a new stream waits for its snapshot before it is told that the store is away. */
  readonly patienceMs: number;
}

export interface WatchSessionOptions {
  readonly socket: WebSocket;
  readonly cache: ClusterCache;
  readonly frozen: () => FleetError | undefined;
  /** Units to follow; undefined: everything. */
  readonly names: ReadonlySet<string> | undefined;
  readonly clock: Clock;
  readonly limits: StreamLimits;
}

/** After the close frame, which a receiver that no longer reads never answers. */
const closeGraceMs = 1_000;

/**
 * One stream.
 *
 * Invariants:
 * - at most one message is on its way: the next one is made when the socket has taken it, from the view of
 *   that moment, so the memory for a slow receiver is one message and the names of what changed meanwhile;
 * - a receiver that does not take a message within `drainMs` is closed with the resync code;
 * - the first message about rows is a snapshot, and so is the first after a `connected`.
 */
export class WatchSession {
  readonly #options: WatchSessionOptions;
  readonly #picture: StreamPicture;
  readonly #timers = new Set<CancelTimer>();
  readonly #release: () => void;
  readonly #unsubscribe: () => void;
  #needsSnapshot = true;
  #status: "unknown" | "connected" | "stale" = "unknown";
  #sending = false;
  #ended = false;
  #answered = true;

  constructor(options: WatchSessionOptions) {
    this.#options = options;
    this.#picture = new StreamPicture(options.names);
    const { socket, cache } = options;
    socket.on("close", () => this.#end());
    // `close` follows an error; without a listener the process would end.
    socket.on("error", () => {});
    socket.on("pong", () => {
      this.#answered = true;
    });
    this.#release = cache.hold();
    this.#unsubscribe = cache.subscribe({
      changed: (change) => {
        this.#picture.note(change);
        this.#flush();
      },
      restarted: () => {
        this.#needsSnapshot = true;
        this.#flush();
      },
    });
  }

  /** Sends the first message, now or as soon as there is one. */
  start(): void {
    this.#flush();
    this.#after(this.#options.limits.patienceMs, () => {
      if (this.#status === "unknown") this.#status = "connected";
      this.#flush();
    });
    this.#ping();
  }

  /** Ends the stream with a code of `watchClose`. */
  close(code: number, reason: string): void {
    if (this.#ended) return;
    const { socket, clock } = this.#options;
    socket.close(code, reason);
    this.#end();
    const cancel = clock.after(closeGraceMs, () => socket.terminate());
    socket.once("close", cancel);
  }

  #flush(): void {
    if (this.#sending || this.#ended) return;
    const next = this.#next();
    if (next === undefined) return;
    const { socket, limits } = this.#options;
    this.#sending = true;
    const cancelDrain = this.#after(limits.drainMs, () => this.close(watchClose.resync, "too slow"));
    socket.send(JSON.stringify(next), () => {
      cancelDrain();
      this.#sending = false;
      this.#flush();
    });
  }

  /** The message that is due; undefined: none. */
  #next(): WatchMessage | undefined {
    const { cache, frozen } = this.#options;
    const problem = frozen();
    const view = problem === undefined ? cache.view : undefined;
    if (view === undefined) {
      this.#needsSnapshot = true;
      if (this.#status !== "connected") return undefined;
      this.#status = "stale";
      return { type: "status", status: "stale", message: problem?.message ?? message.etcdAway };
    }
    if (this.#status === "stale") {
      this.#status = "connected";
      return { type: "status", status: "connected" };
    }
    this.#status = "connected";
    if (!this.#needsSnapshot) return this.#picture.delta(view);
    this.#needsSnapshot = false;
    return this.#picture.snapshot(view);
  }

  #ping(): void {
    const { socket, limits } = this.#options;
    this.#after(limits.pingMs, () => {
      if (!this.#answered) {
        socket.terminate();
        return;
      }
      this.#answered = false;
      socket.ping();
      // A freeze of the store is no change of rows: this is where a quiet stream hears of it.
      this.#flush();
      this.#ping();
    });
  }

  #after(delayMs: number, fire: () => void): CancelTimer {
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      fire();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#unsubscribe();
    this.#release();
  }
}
