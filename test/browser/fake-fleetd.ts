import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ApiExplanation,
  type ApiUnit,
  createApi,
  explanationShape,
  unitShape,
  type WatchMessage,
  watchMessageShape,
} from "@fleet/api";
import { buildDashboard } from "@fleet/dashboard/build";
import { silentLogger, systemClock } from "@fleet/runtime";
import { type WebSocket, WebSocketServer } from "ws";
import { RegistryTwin } from "../contract/api/registry-twin.ts";

/**
 * A server that gives out the dashboard as fleetd does and says of a cluster what a test wants it to say. All of it has the
 * shapes of the contract.
 */
export class FakeFleetd {
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #streams = new Set<WebSocket>();
  readonly #directory: string;
  /** What a new stream is told first, by the request it was opened with. */
  greeting: (search: URLSearchParams) => readonly WatchMessage[] = () => [];
  readonly units = new Map<string, ApiUnit>();
  readonly explanations = new Map<string, ApiExplanation>();
  /** Streams opened, by their query. */
  readonly opened: URLSearchParams[] = [];
  /** Bodies of PUT requests for units, by name. */
  readonly changes: (readonly [name: string, body: unknown])[] = [];
  #port = 0;

  private constructor(server: Server, directory: string) {
    this.#server = server;
    this.#directory = directory;
  }

  static async start({ actions = false } = {}): Promise<FakeFleetd> {
    const directory = await mkdtemp(join(tmpdir(), "fleet-dashboard-"));
    const files = join(directory, "ui");
    await buildDashboard(files);
    const api = await createApi({
      registry: new RegistryTwin(),
      clock: systemClock,
      random: () => 0.5,
      logger: silentLogger,
      version: "9.9.9",
      tokenLimit: 100,
      dashboard: { actions, file: (name) => readFile(join(files, name)) },
    });
    const app = api.createServer();
    const server = createServer((request, response) => {
      if (request.url?.startsWith("/fleet/v1/units/") === true) void fake.#answer(request, response);
      else app.emit("request", request, response);
    });
    const fake = new FakeFleetd(server, directory);
    server.on("upgrade", (request, socket, head) => {
      fake.#sockets.handleUpgrade(request, socket, head, (stream) => fake.#open(stream, request));
    });
    await fake.listen();
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/ui/`;
  }

  /** Sends this to all streams. */
  tell(message: WatchMessage): void {
    const text = encoded(message);
    for (const stream of this.#streams) stream.send(text);
  }

  /** As when the daemon is gone: nobody listens, and its connections are closed. */
  async vanish(): Promise<void> {
    for (const stream of this.#streams) stream.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Listens, on the port that it had if it had one. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.vanish();
    await rm(this.#directory, { recursive: true });
  }

  #open(stream: WebSocket, request: IncomingMessage): void {
    const { searchParams } = new URL(request.url ?? "", "http://fleet");
    this.opened.push(searchParams);
    this.#streams.add(stream);
    stream.on("close", () => this.#streams.delete(stream));
    for (const message of this.greeting(searchParams)) stream.send(encoded(message));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = "", rest] = /^\/fleet\/v1\/units\/([^/?]+)(\/explanation)?/.exec(request.url ?? "") ?? [];
    const unit = decodeURIComponent(name);
    if (request.method === "PUT") {
      let text = "";
      for await (const chunk of request) text += String(chunk);
      this.changes.push([unit, JSON.parse(text)]);
      response.writeHead(204).end();
      return;
    }
    const known = rest === undefined ? this.units.get(unit) : this.explanations.get(unit);
    if (known === undefined) {
      response.writeHead(404, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ error: { code: 404, message: "unit does not exist" } }));
      return;
    }
    const body = rest === undefined ? unitShape.parse(known) : explanationShape.parse(known);
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }
}

function encoded(message: WatchMessage): string {
  return JSON.stringify(watchMessageShape.parse(message));
}
