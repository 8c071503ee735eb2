import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type Clock, errorMessage } from "@fleet/runtime";
import { type WebSocket, WebSocketServer } from "ws";
import type { ClusterCache } from "../cache/cluster-cache.ts";
import { watchClose } from "../contract/close-codes.ts";
import { message } from "../contract/messages.ts";
import type { ErrorBody } from "../contract/wire.ts";
import type { ApiRegistry } from "../registry-port.ts";
import { isWatchPath, resourceOf } from "../server/resources.ts";
import { sameOrigin } from "../server/same-origin.ts";
import { SharedMessages } from "./shared-messages.ts";
import { readStreamRequest, type StreamRequest } from "./stream-filter.ts";
import { type StreamLimits, WatchSession } from "./watch-session.ts";

export interface WatchHubOptions {
  readonly cache: ClusterCache;
  readonly registry: Pick<ApiRegistry, "guard">;
  readonly clock: Clock;
  /** Value of the `Server` header. */
  readonly serverName: string;
  readonly limits: StreamLimits;
  /** Streams open at once; more are refused with 503. */
  readonly maxStreams: number;
  /** An upgrade was answered with this status. */
  readonly answered: (status: number) => void;
}

/** Receivers have nothing to say; this is for control frames and the curious. */
const maxMessageBytes = 4 * 1024;

/** Takes WebSocket upgrades of any listener and keeps their streams. */
export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #server: WebSocketServer;
  readonly #sessions = new Set<WatchSession>();
  readonly #shared: SharedMessages;
  #closed = false;

  constructor(options: WatchHubOptions) {
    this.#options = options;
    this.#shared = new SharedMessages(options.clock);
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: maxMessageBytes,
      perMessageDeflate: false,
    });
    this.#server.on("headers", (headers) => headers.push(`Server: ${options.serverName}`));
  }

  /** Streams open. */
  get size(): number {
    return this.#sessions.size;
  }

  /** A listener's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const { serverName, answered } = this.#options;
    const asked = this.#asked(request);
    if ("status" in asked) {
      answered(asked.status);
      refuse(socket, asked.status, asked.text, serverName);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      answered(101);
      this.#begin(webSocket, asked);
    });
  }

  /** Ends all streams. Their sockets close within a second. */
  close(): void {
    this.#closed = true;
    for (const session of this.#sessions) session.close(watchClose.goingAway, "the daemon is stopping");
    this.#shared.clear();
    this.#server.close();
  }

  #begin(socket: WebSocket, { filter, since }: StreamRequest): void {
    const { cache, registry, clock, limits } = this.#options;
    const session = new WatchSession({
      socket,
      cache,
      shared: this.#shared,
      frozen: () => registry.guard.frozen,
      cluster: () => `${registry.guard.clusterId ?? ""}.${registry.guard.epoch}`,
      filter,
      since,
      clock,
      limits,
    });
    this.#sessions.add(session);
    socket.once("close", () => this.#sessions.delete(session));
    session.start();
  }

  /** What the stream is to tell, or why there is to be none. */
  #asked(request: IncomingMessage): StreamRequest | Refusal {
    const url = requestUrl(request);
    if (url === undefined) return { status: 400, text: message.badPath };
    if (!isWatchPath(url.pathname)) {
      return resourceOf(url.pathname) === undefined
        ? { status: 404, text: message.notFound }
        : { status: 400, text: message.noUpgrade };
    }
    const { guard } = this.#options.registry;
    if (guard.frozen !== undefined) return { status: 503, text: message.frozen(errorMessage(guard.frozen)) };
    if (this.#closed || this.#sessions.size >= this.#options.maxStreams) {
      return { status: 503, text: message.tooManyStreams };
    }
    // Browsers let any page open a WebSocket anywhere and only name the page's origin.
    if (!sameOrigin(request.headers)) return { status: 403, text: message.foreignOrigin };
    const asked = readStreamRequest(url.searchParams);
    return typeof asked === "string" ? { status: 400, text: asked } : asked;
  }
}

interface Refusal {
  readonly status: number;
  readonly text: string;
}

function requestUrl(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "";
  return target.startsWith("/") && URL.canParse(target, "http://fleet")
    ? new URL(target, "http://fleet")
    : undefined;
}

/** There is no response object in an upgrade: the answer is written by hand. */
export function refuse(socket: Duplex, status: number, text: string, serverName: string): void {
  const body: ErrorBody = { error: { code: status, message: text } };
  const json = JSON.stringify(body);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    `Server: ${serverName}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(json)}`,
    "Connection: close",
    "",
    json,
  ];
  socket.end(lines.join("\r\n"));
}
