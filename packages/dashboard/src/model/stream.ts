import type { WatchMessage } from "@fleet/api/contract";
import { Backoff, type CancelTimer, type Clock, type Random } from "@fleet/runtime";
import type { Picture } from "./picture.ts";

export type StreamState =
  /** Nothing has been heard yet. */
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** fleetd is there and says that what it knows may be out of date. */
  | { readonly kind: "stale"; readonly message: string }
  /** fleetd does not answer. Times in milliseconds since the epoch; without `retryAt` it is being tried now. */
  | { readonly kind: "lost"; readonly since: number; readonly retryAt: number | undefined };

export interface StreamSocket {
  close(): void;
}

export interface StreamListener {
  readonly message: (text: string) => void;
  /** The connection has ended, or could not be opened. Called once. */
  readonly closed: () => void;
}

export interface StreamPorts {
  /** Opens a WebSocket to this path of the server. */
  readonly open: (path: string, listener: StreamListener) => StreamSocket;
  /** Whether the server answers at all, within a few seconds. */
  readonly probe: () => Promise<boolean>;
  readonly clock: Clock;
  readonly random: Random;
}

const path = "/fleet/v1/watch?kinds=units,states,machines,events&options=none";
/** A page cannot hear a WebSocket's pings: after so long without a message it asks, in milliseconds. */
const silenceMs = 15_000;
/** Longest that the first message of a stream may take, in milliseconds: fleetd waits for etcd half of it. */
const firstMessageMs = 10_000;
const backoff = { initialMs: 500, maxMs: 15_000 };

/**
 * Keeps a picture up to date through the server's stream: opens it again when it ends, from where it was if the server can
 * still tell what changed since.
 *
 * Invariants: at most one socket is open, and what an earlier one still says is not heard; with none open a retry is due,
 * until `stop`.
 */
export class ClusterStream {
  readonly #ports: StreamPorts;
  readonly #picture: Picture;
  readonly #changed: () => void;
  readonly #backoff: Backoff;
  #state: StreamState = { kind: "connecting" };
  #socket: StreamSocket | undefined;
  #cancel: CancelTimer = () => {};
  /** Grows with every socket. */
  #attempt = 0;

  /** @param changed called after every change of the picture or of `state` */
  constructor(ports: StreamPorts, picture: Picture, changed: () => void) {
    this.#ports = ports;
    this.#picture = picture;
    this.#changed = changed;
    this.#backoff = new Backoff(backoff, ports.random);
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Opens the stream, now: also instead of waiting for the next attempt, or of a stream that is open. */
  start(): void {
    this.stop();
    this.#attempt += 1;
    const attempt = this.#attempt;
    if (this.#state.kind === "lost") this.#become({ ...this.#state, retryAt: undefined });
    this.#socket = this.#ports.open(this.#path(), {
      message: (text) => {
        if (attempt === this.#attempt) this.#hear(text);
      },
      closed: () => {
        if (attempt === this.#attempt) this.#lose();
      },
    });
    this.#after(firstMessageMs, () => this.#lose());
  }

  stop(): void {
    this.#cancel();
    this.#attempt += 1;
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Asks whether the server is still there; to be called when there is reason to doubt it. */
  check(): void {
    if (this.#socket === undefined) {
      this.start();
      return;
    }
    const attempt = this.#attempt;
    void this.#ports.probe().then((answers) => {
      if (attempt !== this.#attempt) return;
      if (answers) this.#listenOn();
      else this.#lose();
    });
  }

  #path(): string {
    const position = this.#picture.position;
    if (position === undefined) return path;
    return `${path}&since=${position.revision}&cluster=${encodeURIComponent(position.cluster)}`;
  }

  #hear(text: string): void {
    const message = readMessage(text);
    this.#backoff.reset();
    this.#listenOn();
    if (message?.type === "snapshot" || message?.type === "delta") {
      this.#picture.apply(message, this.#ports.clock.now());
      this.#become({ kind: "live" });
    } else if (message?.type === "status" && message.status === "stale") {
      this.#become({ kind: "stale", message: message.message ?? "" });
    }
  }

  #lose(): void {
    const { clock } = this.#ports;
    const since = this.#state.kind === "lost" ? this.#state.since : clock.now();
    this.stop();
    const delayMs = this.#backoff.next();
    this.#become({ kind: "lost", since, retryAt: clock.now() + delayMs });
    this.#after(delayMs, () => this.start());
  }

  #listenOn(): void {
    this.#after(silenceMs, () => this.check());
  }

  #after(delayMs: number, fire: () => void): void {
    this.#cancel();
    this.#cancel = this.#ports.clock.after(delayMs, fire);
  }

  #become(state: StreamState): void {
    this.#state = state;
    this.#changed();
  }
}

/**
 * Undefined for what is no message, and for kinds that a newer server may send. Of the rows nothing is checked: they come
 * from the server that the page came from.
 */
function readMessage(text: string): WatchMessage | undefined {
  const value = parsed(text);
  return isMessage(value) ? value : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMessage(value: unknown): value is WatchMessage {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    (value.type === "snapshot" || value.type === "delta" || value.type === "status")
  );
}
