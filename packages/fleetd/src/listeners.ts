import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { connect, type ListenOptions, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { errorCode, errorMessage, FleetError, type Logger } from "@fleet/runtime";
import { ConnectionLimits } from "./connection-limits.ts";
import { formatListenAddress, type ListenAddress } from "./listen-address.ts";
import { version } from "./version.ts";

/**
 * Who answers what arrives on the listeners: a server that does not listen itself. Its handlers and limits
 * apply to every listener.
 */
export type Responder = Pick<
  Server,
  "emit" | "headersTimeout" | "requestTimeout" | "keepAliveTimeout" | "timeout" | "maxConnections"
>;

/** A request, or an upgrade, that somebody must answer. */
interface Arrival {
  readonly handOver: (responder: Responder) => void;
  readonly refuse: () => void;
}

// Owner and group: whoever may talk to fleetd may run anything as root.
const socketMode = 0o660;
// How often node looks for connections beyond the responder's limits.
const connectionsCheckingInterval = 5_000;

/**
 * Connections that may wait to be accepted. Beyond it the kernel turns clients away at once, with EAGAIN on a unix
 * socket, and with node's 511 a burst does that to everybody else. The kernel lowers it to net.core.somaxconn.
 */
const backlog = 4_096;

/**
 * The sockets of the daemon.
 *
 * Invariants:
 * - once open, a socket stays open until `close`, whatever becomes of the components behind it: no client is
 *   refused while they are replaced;
 * - a request always gets an answer: while there is no responder it waits for the next one, and is refused
 *   with 503 when too many wait already or the listeners close.
 */
export class Listeners {
  readonly #logger: Logger;
  readonly #maxWaiting: number;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Socket>();
  /** What arrived while there was no responder. */
  readonly #waiting: Arrival[] = [];
  #responder: Responder | undefined;

  /** @param maxWaiting how many requests may wait while there is no responder */
  constructor(logger: Logger, maxWaiting = 256) {
    this.#logger = logger;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Opens all of the sockets, or none and throws FleetError `listen_failed` saying which one and why.
   *
   * @param inherited descriptors of listening sockets that systemd passed
   */
  async open(inherited: readonly number[], addresses: readonly ListenAddress[]): Promise<void> {
    try {
      for (const fd of inherited) await this.#listen({ fd }, `the socket passed as descriptor ${fd}`);
      for (const address of addresses) await this.#openAddress(address);
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  /**
   * Hands requests to the responder from now on, those that wait first; undefined: lets them wait. Those already
   * handed over stay where they are.
   */
  respondWith(responder: Responder | undefined): void {
    this.#responder = responder;
    if (responder === undefined) return;
    for (const server of this.#servers) applyLimits(server, responder);
    for (const arrival of this.#waiting.splice(0)) arrival.handOver(responder);
  }

  /** How many requests wait for a responder. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Where the TCP listeners are, for tests and the log: a port of 0 has become a real one. */
  get ports(): readonly number[] {
    return this.#servers.flatMap((server) => {
      const address = server.address();
      return typeof address === "object" && address !== null ? [address.port] : [];
    });
  }

  /** Stops listening, lets requests in progress end for `graceMs`, and breaks off what is then left. */
  async close(graceMs: number): Promise<void> {
    const closed = this.#servers.splice(0).map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeIdleConnections();
        }),
    );
    for (const arrival of this.#waiting.splice(0)) arrival.refuse();
    const breakOff = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, graceMs);
    await Promise.all(closed);
    clearTimeout(breakOff);
  }

  #arrived(arrival: Arrival): void {
    if (this.#responder !== undefined) arrival.handOver(this.#responder);
    else if (this.#servers.length > 0 && this.#waiting.length < this.#maxWaiting) this.#waiting.push(arrival);
    else arrival.refuse();
  }

  async #openAddress(address: ListenAddress): Promise<void> {
    const where = formatListenAddress(address);
    if (address.kind === "tcp") {
      await this.#listen({ host: address.host, port: address.port }, where);
      return;
    }
    await prepareSocketPath(address.path, where);
    await this.#listen({ path: address.path }, where);
    await chmod(address.path, socketMode);
  }

  async #listen(options: ListenOptions & { readonly fd?: number }, where: string): Promise<void> {
    const limits = new ConnectionLimits();
    const server = createServer({ connectionsCheckingInterval }, (request, response) => {
      if (!limits.admits(request.socket, response)) return;
      this.#arrived({
        handOver: (responder) => void responder.emit("request", request, response),
        refuse: () => refuseRequest(response),
      });
    });
    server.on("upgrade", (request, socket, head) => {
      limits.upgraded(request.socket);
      // node gives the socket away here, and one that breaks with nobody listening would end the process.
      socket.on("error", () => socket.destroy());
      this.#arrived({
        handOver: (responder) => {
          if (!responder.emit("upgrade", request, socket, head)) refuseConnection(socket);
        },
        refuse: () => refuseConnection(socket),
      });
    });
    server.on("clientError", (error, socket) => {
      if (this.#responder?.emit("clientError", error, socket) !== true) socket.destroy();
    });
    server.on("connection", (connection: Socket) => {
      this.#connections.add(connection);
      connection.once("close", () => this.#connections.delete(connection));
      limits.opened(connection, this.#responder?.maxConnections);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => reject(listenFailed(where, error)));
      server.listen({ ...options, backlog }, () => resolve());
    });
    server.removeAllListeners("error");
    server.on("error", (error) =>
      this.#logger.error("listener_failed", { address: where, message: error.message }),
    );
    applyLimits(server, this.#responder);
    this.#servers.push(server);
    this.#logger.info("listening", { address: where });
  }
}

const notServing = JSON.stringify({ error: { code: 503, message: "fleetd is starting or stopping" } });

function refuseRequest(response: ServerResponse): void {
  const headers = { "Content-Type": "application/json", Server: `fleetd/${version}`, Connection: "close" };
  response.writeHead(503, headers).end(notServing);
}

function refuseConnection(socket: Duplex): void {
  socket.end("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

function applyLimits(server: Server, responder: Responder | undefined): void {
  if (responder === undefined) return;
  server.headersTimeout = responder.headersTimeout;
  server.requestTimeout = responder.requestTimeout;
  server.keepAliveTimeout = responder.keepAliveTimeout;
  server.timeout = responder.timeout;
}

/** Makes the directory, and removes a socket that a process now dead has left behind. */
async function prepareSocketPath(path: string, where: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const present = await lstat(path).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    });
    if (present === undefined) return;
    if (!present.isSocket()) {
      throw new FleetError("listen_failed", `cannot listen on ${where}: a file that is no socket is there`);
    }
    if (await isAnswered(path)) {
      throw new FleetError("listen_failed", `cannot listen on ${where}: another process listens there`);
    }
    await unlink(path);
  } catch (error) {
    throw error instanceof FleetError ? error : listenFailed(where, error);
  }
}

/** Whether somebody accepts connections on the unix socket. Doubt (its queue is full, say) counts as yes. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error) =>
      resolve(errorCode(error) !== "ECONNREFUSED" && errorCode(error) !== "ENOENT"),
    );
  });
}

const listenReasons: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "the address is in use by another process"],
  ["EADDRNOTAVAIL", "this machine does not have that address"],
  ["EACCES", "permission denied"],
  ["ENOTFOUND", "the host name is not known"],
  ["EINVAL", "it is not a stream socket"],
]);

function listenFailed(where: string, error: unknown): FleetError {
  const reason = listenReasons.get(errorCode(error)) ?? errorMessage(error);
  return new FleetError("listen_failed", `cannot listen on ${where}: ${reason}`, { cause: error });
}
