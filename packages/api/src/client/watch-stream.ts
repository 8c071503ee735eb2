import { connect as connectSocket } from "node:net";
import { AbortedError, errorMessage, throwIfAborted } from "@fleet/runtime";
import type { WebSocket } from "ws";
import { watchClose } from "../contract/close-codes.ts";
import { apiPrefix, query } from "../contract/paths.ts";
import type { WatchDelta, WatchSnapshot, WatchStatus } from "../contract/watch.ts";
import { dialled } from "./dialled.ts";
import { authority } from "./endpoint.ts";
import { FleetApiError, FleetUnreachableError } from "./errors.ts";
import type { TransportOptions } from "./transport.ts";
import { readUpdate } from "./watch-reader.ts";

/** Which kinds of rows a stream can tell of. */
export type WatchKind = "units" | "states" | "machines" | "events";

/** A message that a stream got, to go on after. */
export interface WatchPosition {
  readonly revision: number;
  /** As the snapshot before it named it. */
  readonly cluster: string;
}

/** What a stream is to tell of. */
export interface WatchFilter {
  /** Names; none: every unit. */
  readonly units?: readonly string[];
  /** Units, states and machines unless given. */
  readonly kinds?: readonly WatchKind[];
  /** Summaries in place of units with their files. */
  readonly options?: "none";
  /** The stream tells what has changed since; where it no longer can, it says `resync` and gives a snapshot. */
  readonly since?: WatchPosition;
}

export type WatchUpdate =
  | WatchSnapshot
  | WatchDelta
  | WatchStatus
  /** The server has no streams, or cannot serve one now: fall back to polling. */
  | { readonly type: "unsupported" };

/** Bytes of one message: a snapshot of a large cluster with all its unit files. */
const maxMessageBytes = 256 * 1024 * 1024;
/** Updates held for a receiver that is busy; reading from the socket pauses above it. */
const maxQueued = 64;

/** See FleetClient.watch. A stream that the server ends with `resync` is resumed after the last update. */
export async function* watchUnits(
  options: TransportOptions,
  filter: WatchFilter,
  signal: AbortSignal,
): AsyncGenerator<WatchUpdate> {
  let { since } = filter;
  for (;;) {
    const opened = await open(options, { ...filter, ...(since === undefined ? {} : { since }) }, signal);
    if (opened === "unsupported") {
      yield { type: "unsupported" };
      return;
    }
    const end = yield* updatesOf(opened, options.requestTimeoutMs, signal, (update) => {
      since = positionAfter(update, since);
    });
    if (end !== watchClose.resync) {
      throw new FleetUnreachableError(`the server ended the stream (code ${end})`);
    }
  }
}

/** Undefined where the stream cannot be resumed: the server has not named its cluster. */
function positionAfter(update: WatchUpdate, before: WatchPosition | undefined): WatchPosition | undefined {
  switch (update.type) {
    case "snapshot":
      return update.cluster === undefined
        ? undefined
        : { revision: update.revision, cluster: update.cluster };
    case "delta":
      return before === undefined ? undefined : { ...before, revision: update.revision };
    default:
      return before;
  }
}

function searchOf({ units = [], kinds, options, since }: WatchFilter): string {
  const given = [
    [query.units, units.length === 0 ? undefined : units.map(encodeURIComponent).join(",")],
    [query.kinds, kinds?.join(",")],
    [query.options, options],
    [query.since, since === undefined ? undefined : String(since.revision)],
    [query.cluster, since === undefined ? undefined : encodeURIComponent(since.cluster)],
  ].filter(([, value]) => value !== undefined);
  return given.length === 0 ? "" : `?${given.map(([name, value]) => `${name}=${value}`).join("&")}`;
}

async function open(
  options: TransportOptions,
  filter: WatchFilter,
  signal: AbortSignal,
): Promise<Inbox | "unsupported"> {
  // Only a command that waits pays for loading it.
  const { WebSocket } = await import("ws");
  // Listened to from further below on: an interrupt meanwhile would go unheard.
  throwIfAborted(signal);
  const { endpoint, tls, requestTimeoutMs, dial, dialTimeoutMs = 0 } = options;
  const secure = endpoint.kind === "tcp" && endpoint.secure;
  const createConnection =
    dialled(options) ?? (endpoint.kind === "unix" ? () => connectSocket(endpoint.socketPath) : undefined);
  const url = `${secure ? "wss" : "ws"}://${authority(endpoint)}${apiPrefix}/watch${searchOf(filter)}`;
  const socket = new WebSocket(url, {
    maxPayload: maxMessageBytes,
    handshakeTimeout: requestTimeoutMs + (dial === undefined ? 0 : dialTimeoutMs),
    perMessageDeflate: false,
    ...(createConnection === undefined ? {} : { createConnection }),
    ...tls,
  });
  // Listening begins before the handshake ends: the snapshot may arrive in the same packet.
  const inbox = new Inbox(socket);
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.terminate();
      reject(new AbortedError(signal.reason));
    };
    signal.addEventListener("abort", abort, { once: true });
    const settled = (): void => signal.removeEventListener("abort", abort);
    socket.once("open", () => {
      settled();
      resolve(inbox);
    });
    socket.once("unexpected-response", (request, response) => {
      settled();
      request.destroy();
      const status = response.statusCode ?? 0;
      // A fleet without streams takes the path for an unknown one (404), a proxy for a bad request (400). A
      // plain 200 is a server that ignored the upgrade.
      const unsupported = status !== 401 && status !== 403 && status !== 503;
      if (unsupported) resolve("unsupported");
      else reject(new FleetApiError(status, response.statusMessage ?? ""));
    });
    socket.once("error", (error) => {
      settled();
      reject(new FleetUnreachableError(errorMessage(error), error));
    });
  });
}

/** Messages received and not yet taken. Bounded: above `maxQueued` the socket is paused, and TCP slows the server. */
class Inbox {
  readonly socket: WebSocket;
  readonly #messages: string[] = [];
  #closed: number | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data, isBinary) => {
      if (isBinary || !Buffer.isBuffer(data)) return;
      this.#messages.push(data.toString("utf8"));
      if (this.#messages.length > maxQueued) socket.pause();
      this.wake();
    });
    socket.on("close", (code) => {
      this.#closed = code;
      this.wake();
    });
    // `close` follows, with the code; without a listener the process would end.
    socket.on("error", () => {});
  }

  /** The next message, or the close code once all messages are taken. Undefined: woken without either. */
  take(): string | number | undefined {
    const message = this.#messages.shift();
    if (message === undefined) return this.#closed;
    if (this.socket.isPaused && this.#messages.length <= maxQueued / 2) this.socket.resume();
    return message;
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/**
 * Asks the server for a sign of life every `intervalMs` and reports when one is not given until the next: a connection
 * whose other end is gone looks like one on which nothing happens. Returns a function that ends the asking.
 */
function heartbeat(socket: WebSocket, intervalMs: number, onSilent: () => void): () => void {
  let heard = true;
  const hear = (): void => {
    heard = true;
  };
  socket.on("message", hear).on("pong", hear);
  const timer = setInterval(() => {
    if (!heard) onSilent();
    // While paused nothing can be heard, however alive the server is.
    heard = socket.isPaused;
    socket.ping(() => {});
  }, intervalMs);
  return () => clearInterval(timer);
}

/** Yields until the stream closes; returns the close code. */
async function* updatesOf(
  inbox: Inbox,
  answerWithinMs: number,
  signal: AbortSignal,
  heard: (update: WatchUpdate) => void,
): AsyncGenerator<WatchUpdate, number> {
  let silent = false;
  const abort = (): void => inbox.wake();
  signal.addEventListener("abort", abort, { once: true });
  const endHeartbeat = heartbeat(inbox.socket, answerWithinMs, () => {
    silent = true;
    inbox.wake();
  });
  try {
    for (;;) {
      throwIfAborted(signal);
      const next = inbox.take();
      if (typeof next === "number") return next;
      if (next !== undefined) {
        const update = readUpdate(next);
        if (update === undefined) continue;
        heard(update);
        yield update;
      } else if (silent) throw new FleetUnreachableError(`no answer within ${answerWithinMs / 1000} s`);
      else await inbox.woken();
    }
  } finally {
    endHeartbeat();
    signal.removeEventListener("abort", abort);
    inbox.socket.terminate();
  }
}
