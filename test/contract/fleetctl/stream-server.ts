import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ApiEvent, WatchDelta, WatchSnapshot, WatchStatus } from "@fleet/api/client";
import { type WebSocket, WebSocketServer } from "ws";

type Rows = Partial<Pick<WatchSnapshot, "units" | "summaries" | "states" | "machines" | "events" | "losses">>;

/**
 * The stream of a daemon whose messages a test dictates. A stream that is opened gets a snapshot of `rows`; one that resumes
 * gets what `missed` has.
 */
export class StreamServer {
  /** What each stream asked for, in the order they were opened. */
  readonly asked: string[] = [];
  rows: Rows = {};
  missed: Rest<WatchDelta> | "too old" = {};
  /** Answer to GET /events; undefined: there is no such thing. */
  events: readonly ApiEvent[] | undefined;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  #revision = 1;
  #opened: () => void = () => {};

  constructor() {
    this.#server = createServer((request, response) => {
      const { pathname, search } = new URL(request.url ?? "", "http://fleet");
      const isEvents = pathname === "/fleet/v1/events" && this.events !== undefined;
      if (isEvents) this.asked.push(search);
      const answer = isEvents ? { events: this.events } : {};
      const status =
        isEvents || pathname === "/fleet/v1/losses" || pathname === "/fleet/v1/machines" ? 200 : 404;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(
        JSON.stringify(pathname === "/fleet/v1/machines" ? { machines: this.rows.machines } : answer),
      );
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#greet(opened, request.url ?? ""));
    });
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  /** Resolves once one more stream is open and has its first message. */
  opened(): Promise<void> {
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  tell(delta: Rest<WatchDelta>): void {
    this.#send({ type: "delta", revision: this.#next(), ...delta });
  }

  say(status: WatchStatus["status"], message?: string): void {
    this.#send({ type: "status", status, ...(message === undefined ? {} : { message }) });
  }

  snapshot(): void {
    this.#send({ type: "snapshot", cluster: "c/1", revision: this.#next(), ...none, ...this.rows });
  }

  /** Ends every stream, as a daemon that dies. */
  cut(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #greet(socket: WebSocket, url: string): void {
    const { searchParams } = new URL(url, "http://fleet");
    this.asked.push(searchParams.toString());
    if (searchParams.has("since") && this.missed !== "too old") {
      socket.send(JSON.stringify({ type: "delta", revision: this.#next(), ...this.missed }));
    } else {
      if (searchParams.has("since")) socket.send(JSON.stringify({ type: "status", status: "resync" }));
      const revision = this.#next();
      socket.send(JSON.stringify({ type: "snapshot", cluster: "c/1", revision, ...none, ...this.rows }));
    }
    this.#opened();
  }

  #next(): number {
    this.#revision += 1;
    return this.#revision;
  }

  #send(message: WatchSnapshot | WatchDelta | WatchStatus): void {
    for (const socket of this.#sockets.clients) socket.send(JSON.stringify(message));
  }
}

type Rest<Message> = Omit<Message, "type" | "revision">;

const none = { units: [], states: [], machines: [] };

/** A row of what systemd reports. */
export function stateOf(name: string, machineID: string, active = "active", sub = "running") {
  return {
    name,
    machineID,
    hash: "1234567890",
    systemdLoadState: "loaded",
    systemdActiveState: active,
    systemdSubState: sub,
  };
}
