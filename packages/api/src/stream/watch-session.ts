import type { CancelTimer, Clock, FleetError } from "@fleet/runtime";
import type { WebSocket } from "ws";
import type { ClusterCache } from "../cache/cluster-cache.ts";
import type { ClusterView } from "../cache/cluster-view.ts";
import { watchClose } from "../contract/close-codes.ts";
import { message } from "../contract/messages.ts";
import type { WatchMessage, WatchStatus } from "../contract/watch.ts";
import type { SharedMessages } from "./shared-messages.ts";
import type { StreamFilter, StreamPosition } from "./stream-filter.ts";
import { StreamPicture } from "./stream-picture.ts";

export interface StreamLimits {
  /** How long a receiver may take to accept one message. */
  readonly drainMs: number;
  /** Interval of pings; a receiver that has not answered the last one is dropped. */
  readonly pingMs: number;
  /** How long a new stream waits for its snapshot, or for what it has missed, before it is told that it does. */
  readonly patienceMs: number;
}

export interface WatchSessionOptions {
  readonly socket: WebSocket;
  readonly cache: ClusterCache;
  readonly shared: SharedMessages;
  readonly frozen: () => FleetError | undefined;
  /** Name of the cluster that revisions are of; asked for once there is a view. */
  readonly cluster: () => string;
  readonly filter: StreamFilter;
  /** What the receiver has been told; undefined: nothing. */
  readonly since: StreamPosition | undefined;
  readonly clock: Clock;
  readonly limits: StreamLimits;
}

/** After the close frame, which a receiver that no longer reads never answers. */
const closeGraceMs = 1_000;

/** What the next message about rows is. */
type Due =
  | { readonly kind: "snapshot" }
  /** Said before a snapshot that takes the place of what the receiver waits for. */
  | { readonly kind: "resync"; readonly why: string }
  /** It is being found out what the receiver has missed. */
  | { readonly kind: "missed" }
  /** The receiver's picture is as of `after`. `always`: it is told how far that goes even when nothing has changed. */
  | { readonly kind: "delta"; readonly after: number; readonly always: boolean };

/**
 * One stream.
 *
 * Invariants:
 * - at most one message is on its way: the next one is made when the socket has taken it, from the view of
 *   that moment, so the memory for a slow receiver is one message and the names of what changed meanwhile;
 * - a receiver that does not take a message within `drainMs` is closed with the resync code; it may resume after the last
 *   message that it got;
 * - the first message about rows is a snapshot, and so is the first after a `connected` or a `resync`; only a stream that
 *   resumes another begins with a delta, which has all that was missed;
 * - changes up to the revision that the receiver has come with are never told: it may be ahead of this daemon's view.
 */
export class WatchSession {
  readonly #options: WatchSessionOptions;
  readonly #picture: StreamPicture;
  readonly #timers = new Set<CancelTimer>();
  readonly #release: () => void;
  readonly #unsubscribe: () => void;
  /** Of messages that this stream gets like others; undefined where it is told of some units only. */
  readonly #variant: string | undefined;
  #due: Due;
  /** What the receiver has come with, which may be more than this daemon's view knows of. */
  #ahead: number;
  #status: "unknown" | "connected" | "stale" = "unknown";
  #sending = false;
  #ended = false;
  #answered = true;

  constructor(options: WatchSessionOptions) {
    const { socket, cache, filter, since } = options;
    this.#options = options;
    this.#picture = new StreamPicture(filter);
    this.#variant =
      filter.names === undefined ? `${[...filter.kinds].sort()} ${filter.summaries}` : undefined;
    this.#due = since === undefined ? { kind: "snapshot" } : { kind: "missed" };
    this.#ahead = since?.revision ?? 0;
    socket.on("close", () => this.#end());
    // `close` follows an error; without a listener the process would end.
    socket.on("error", () => {});
    socket.on("pong", () => {
      this.#answered = true;
    });
    this.#release = cache.hold();
    this.#unsubscribe = cache.subscribe({
      changed: (change) => {
        if (change.revision > this.#ahead) this.#picture.note(change);
        this.#flush();
      },
      restarted: () => {
        this.#ahead = 0;
        if (this.#due.kind === "delta") this.#due = { kind: "snapshot" };
        this.#flush();
      },
    });
  }

  /** Sends the first message, now or as soon as there is one. */
  start(): void {
    this.#flush();
    if (this.#options.since !== undefined) void this.#resume(this.#options.since);
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

  /** Finds out what the receiver has missed; however that ends, something is due then. Never rejects. */
  async #resume(since: StreamPosition): Promise<void> {
    const { cache, cluster, limits } = this.#options;
    await cache.reached(0, limits.patienceMs).catch(() => {});
    const missed =
      since.cluster === cluster() && cache.view !== undefined
        ? await cache.missed(since.revision, limits.patienceMs)
        : undefined;
    const { view } = cache;
    // A stream that was told meanwhile that etcd is away gets a snapshot.
    if (this.#ended || this.#due.kind !== "missed") return;
    // The store may have been seeded anew meanwhile.
    const isOurs = since.cluster === cluster();
    if (!isOurs || missed === undefined || view === undefined) {
      this.#due = { kind: "resync", why: isOurs ? message.missedTooMuch : message.otherCluster };
    } else {
      this.#picture.resume(view, missed);
      this.#due = { kind: "delta", after: since.revision, always: true };
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#sending || this.#ended) return;
    const next = this.#next();
    if (next === undefined) return;
    const { socket, limits } = this.#options;
    this.#sending = true;
    const cancelDrain = this.#after(limits.drainMs, () => this.close(watchClose.resync, "too slow"));
    socket.send(next, { binary: false }, () => {
      cancelDrain();
      this.#sending = false;
      this.#flush();
    });
  }

  /** The message that is due; undefined: none. */
  #next(): Buffer | undefined {
    const { cache, frozen } = this.#options;
    const problem = frozen();
    const view = problem === undefined ? cache.view : undefined;
    if (view === undefined) {
      if (this.#status !== "connected") return undefined;
      this.#due = { kind: "snapshot" };
      this.#status = "stale";
      return status("stale", problem?.message ?? message.etcdAway);
    }
    if (this.#status === "stale") {
      this.#status = "connected";
      return status("connected");
    }
    if (this.#due.kind === "missed") return undefined;
    this.#status = "connected";
    return this.#rows(view);
  }

  #rows(view: ClusterView): Buffer | undefined {
    if (this.#due.kind === "delta" && this.#picture.hasLost(view)) {
      this.#due = { kind: "resync", why: message.missedEvents };
    }
    switch (this.#due.kind) {
      case "missed":
        return undefined;
      case "resync": {
        const { why } = this.#due;
        this.#due = { kind: "snapshot" };
        return status("resync", why);
      }
      case "snapshot": {
        const made = this.#snapshot(view);
        // Whatever the receiver knew before, this is what it knows now.
        this.#ahead = 0;
        this.#due = { kind: "delta", after: view.revision, always: false };
        return made;
      }
      case "delta":
        return this.#delta(view, this.#due);
    }
  }

  #snapshot(view: ClusterView): Buffer | undefined {
    const make = (): Buffer => bytesOf({ ...this.#picture.snapshot(view), cluster: this.#options.cluster() });
    return this.#shared(view, "snapshot", make);
  }

  /** Streams that were told everything up to the same revision, here or elsewhere, are told the same from there on. */
  #delta(view: ClusterView, { after, always }: Extract<Due, { kind: "delta" }>): Buffer | undefined {
    if (always) {
      const revision = Math.max(view.revision, after);
      this.#due = { kind: "delta", after: revision, always: false };
      const missed = (): Buffer => bytesOf({ type: "delta", ...this.#picture.delta(view), revision });
      return this.#shared(view, `missed since ${after}`, missed);
    }
    const make = (): Buffer | undefined => {
      const delta = this.#picture.delta(view);
      return delta === undefined ? undefined : bytesOf(delta);
    };
    if (this.#variant !== undefined && this.#picture.isTold) return undefined;
    const made = this.#shared(view, `delta ${after}`, make);
    if (made !== undefined) this.#due = { kind: "delta", after: view.revision, always: false };
    return made;
  }

  #shared(view: ClusterView, what: string, make: () => Buffer | undefined): Buffer | undefined {
    if (this.#variant === undefined) return make();
    const made = this.#options.shared.get(view, `${what} ${this.#variant}`, make);
    this.#picture.forget();
    return made;
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

function bytesOf(told: WatchMessage): Buffer {
  return Buffer.from(JSON.stringify(told));
}

function status(word: WatchStatus["status"], why?: string): Buffer {
  return bytesOf({ type: "status", status: word, ...(why === undefined ? {} : { message: why }) });
}
