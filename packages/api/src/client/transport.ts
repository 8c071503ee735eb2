import http from "node:http";
import { type Duplex, pipeline, type Readable } from "node:stream";
import { AbortedError, errorCode, errorMessage } from "@fleet/runtime";
import { dialled } from "./dialled.ts";
import { authority, type Endpoint } from "./endpoint.ts";
import { FleetApiError, FleetProtocolError, FleetUnreachableError } from "./errors.ts";
import { nodeHttps } from "./node-tls.ts";

/** PEM texts. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface TransportOptions {
  readonly endpoint: Endpoint;
  /** Longest time one request may take, answer included. */
  readonly requestTimeoutMs: number;
  readonly tls?: ClientTls;
  /**
   * Opens a connection to the server by another way than to the endpoint's address: through a tunnel, say. The
   * endpoint still says what to put into the Host header, and whether to speak TLS on it. A connection that cannot
   * be opened is a stream that fails.
   */
  readonly dial?: (endpoint: Endpoint) => Duplex;
  /** Time that a dialled connection may take besides, before the first answer comes over it. Default 0. */
  readonly dialTimeoutMs?: number;
  /** Connections for requests that are open at once; more requests wait their turn. No limit when absent. */
  readonly maxConnections?: number;
}

export interface Answer {
  readonly status: number;
  /** The parsed body; undefined when it was empty. */
  readonly body: unknown;
}

/** Bytes. A page of 100 units of 1 MiB each fits; a server that never stops sending does not. */
const maxAnswerBytes = 256 * 1024 * 1024;

/** One request at a time or many, over connections that are kept open between them. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #agent: http.Agent;
  /** Connections over which an answer has come. */
  readonly #proven = new WeakSet<Duplex>();

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#agent = agentFor(options);
  }

  /**
   * Sends one request. Statuses of 400 and above are thrown as FleetApiError.
   * @throws FleetUnreachableError when no complete answer came in time.
   */
  async send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
    const answer = await this.#exchange(method, path, body, signal);
    // A proxy that sends elsewhere has done nothing: without a body it would look like success.
    if (answer.status >= 300 && answer.status < 400) throw new FleetProtocolError(elsewhere(answer));
    const parsed = parseBody(answer);
    if (answer.status >= 400) throw new FleetApiError(answer.status, errorText(answer.status, parsed));
    return { status: answer.status, body: parsed };
  }

  close(): void {
    this.#agent.destroy();
  }

  async #exchange(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<RawAnswer> {
    const first = new Attempt();
    try {
      return await this.#attempt(method, path, body, signal, first);
    } catch (error) {
      // The server may close an idle kept connection just as we use it. Only a read is safe to send again.
      const stale = first.reused && errorCode(error) === "ECONNRESET" && method === "GET";
      if (!stale) throw this.#failure(error, signal, first);
    }
    const second = new Attempt();
    try {
      return await this.#attempt(method, path, body, signal, second);
    } catch (error) {
      throw this.#failure(error, signal, second);
    }
  }

  async #attempt(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
    attempt: Attempt,
  ): Promise<RawAnswer> {
    const { endpoint, dial } = this.#options;
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const deadline = new Deadline();
    const secure = endpoint.kind === "tcp" && endpoint.secure;
    const request = (secure ? nodeHttps() : http).request({
      ...(endpoint.kind === "unix"
        ? { socketPath: endpoint.socketPath }
        : { host: endpoint.hostname, port: endpoint.port }),
      method,
      path,
      agent: this.#agent,
      signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
      headers: {
        host: authority(endpoint),
        accept: "application/json",
        // What stays on this host would only be slower for it.
        ...(endpoint.kind === "tcp" || dial !== undefined ? { "accept-encoding": "gzip" } : {}),
        ...(payload === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
      },
    });
    request.once("socket", (socket) => {
      // A request that waits for its turn on a connection has not begun to take time.
      deadline.start(this.#timeoutOn(socket));
      attempt.watch(socket, request.reusedSocket, secure, dial !== undefined);
    });
    try {
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        request.on("error", reject);
        request.on("response", resolve);
        request.end(payload);
      });
      this.#proven.add(response.socket);
      const { statusCode: status = 0, headers } = response;
      return { status, text: await readAll(response), location: headers.location };
    } catch (error) {
      throw deadline.error ?? error;
    } finally {
      deadline.stop();
    }
  }

  #timeoutOn(socket: Duplex): number {
    const { requestTimeoutMs, dialTimeoutMs = 0, dial } = this.#options;
    return dial === undefined || this.#proven.has(socket)
      ? requestTimeoutMs
      : requestTimeoutMs + dialTimeoutMs;
  }

  #failure(error: unknown, signal: AbortSignal | undefined, attempt: Attempt): unknown {
    // What an interrupt does to the connection is named in many ways.
    if (signal?.aborted) return new AbortedError(signal.reason);
    if (error instanceof FleetProtocolError) return error;
    return new FleetUnreachableError(errorMessage(error), error, attempt.mayBeSent);
  }
}

/** What is known of one attempt to send a request. */
class Attempt {
  /** It went over a connection kept from an earlier one. */
  reused = false;
  /** The request may have reached a server. */
  mayBeSent = false;

  watch(socket: Duplex, reused: boolean, secure: boolean, dialled: boolean): void {
    this.reused = reused;
    // What was dialled takes the request before it has reached anybody, and does not tell when it has.
    if (reused || dialled) this.mayBeSent = true;
    else socket.once(secure ? "secureConnect" : "connect", () => (this.mayBeSent = true));
  }
}

/** Fires a time after it was started, unless it was stopped. */
class Deadline {
  /** Why it has fired. */
  error: Error | undefined;
  readonly #fired = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  get signal(): AbortSignal {
    return this.#fired.signal;
  }

  start(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.error = new Error(`no answer within ${afterMs / 1000} s`);
      this.#fired.abort();
    }, afterMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function agentFor(options: TransportOptions): http.Agent {
  const { endpoint, tls } = options;
  const secure = endpoint.kind === "tcp" && endpoint.secure;
  const { maxConnections: maxSockets } = options;
  const settings = { keepAlive: true, ...(maxSockets === undefined ? {} : { maxSockets }) };
  // Without a name of its own for TLS, Node would work one out of the Host header, for nothing, and slowly.
  const plain = { ...settings, servername: "" };
  const agent = secure ? new (nodeHttps().Agent)({ ...settings, ...tls }) : new http.Agent(plain);
  const open = dialled(options);
  if (open !== undefined) agent.createConnection = open;
  return agent;
}

interface RawAnswer {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

function elsewhere({ status, location }: RawAnswer): string {
  const where = location === undefined ? "" : ` and sends to ${location}: is that the endpoint to use?`;
  return `the server answered with status ${status}${where}`;
}

async function readAll(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of await decoded(response)) {
    const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += buffer.length;
    if (bytes > maxAnswerBytes) throw new FleetProtocolError("the server's answer is too large");
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The body as it was before it was compressed for the way here. */
async function decoded(response: http.IncomingMessage): Promise<Readable> {
  const coding = response.headers["content-encoding"] ?? "identity";
  if (coding === "identity") return response;
  if (coding !== "gzip") throw new FleetProtocolError(`the server's answer is encoded as ${coding}`);
  // Loaded when needed: most commands speak to a socket on their own host.
  const { createGunzip } = await import("node:zlib");
  // A failure on either side ends the other, so whoever reads here sees it: there is nothing left to report.
  return pipeline(response, createGunzip(), () => {});
}

function parseBody(answer: RawAnswer): unknown {
  if (answer.text === "") return undefined;
  try {
    return JSON.parse(answer.text);
  } catch {
    // A proxy in between answers its errors in HTML: the status then says more than the text.
    if (answer.status >= 400) return undefined;
    throw new FleetProtocolError("the server's answer is no JSON");
  }
}

function errorText(status: number, body: unknown): string {
  if (typeof body === "object" && body !== null && "error" in body) {
    const { error } = body;
    if (typeof error === "object" && error !== null && "message" in error) {
      if (typeof error.message === "string" && error.message !== "") return error.message;
    }
  }
  return http.STATUS_CODES[status] ?? `HTTP status ${status}`;
}
