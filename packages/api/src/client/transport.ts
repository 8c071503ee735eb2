import http from "node:http";
import https from "node:https";
import { type Duplex, pipeline, type Readable } from "node:stream";
import { errorCode, errorMessage } from "@fleet/runtime";
import { dialled } from "./dialled.ts";
import { authority, type Endpoint } from "./endpoint.ts";
import { FleetApiError, FleetProtocolError, FleetUnreachableError } from "./errors.ts";

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
  readonly dial?: () => Duplex;
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
    const parsed = parseBody(answer);
    if (answer.status >= 400) throw new FleetApiError(answer.status, errorText(answer.status, parsed));
    return { status: answer.status, body: parsed };
  }

  close(): void {
    this.#agent.destroy();
  }

  async #exchange(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<RawAnswer> {
    const reused = { socket: false };
    try {
      return await this.#attempt(method, path, body, signal, reused);
    } catch (error) {
      // The server may close an idle kept connection just as we use it. Only a read is safe to send again.
      const stale = reused.socket && errorCode(error) === "ECONNRESET" && method === "GET";
      if (!stale) throw this.#failure(error, signal);
    }
    try {
      return await this.#attempt(method, path, body, signal, reused);
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  #attempt(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
    reused: { socket: boolean },
  ): Promise<RawAnswer> {
    const { endpoint, requestTimeoutMs, dial } = this.#options;
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const timeout = AbortSignal.timeout(requestTimeoutMs);
    const request = (endpoint.kind === "tcp" && endpoint.secure ? https : http).request({
      ...(endpoint.kind === "unix"
        ? { socketPath: endpoint.socketPath }
        : { host: endpoint.hostname, port: endpoint.port }),
      method,
      path,
      agent: this.#agent,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
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
    return new Promise((resolve, reject) => {
      request.on("error", (error) => {
        reused.socket = request.reusedSocket;
        reject(timeout.aborted ? new Error(`no answer within ${requestTimeoutMs / 1000} s`) : error);
      });
      request.on("response", (response) => {
        readAll(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      });
      request.end(payload);
    });
  }

  #failure(error: unknown, signal: AbortSignal | undefined): unknown {
    if (error instanceof FleetProtocolError || signal?.aborted) return error;
    return new FleetUnreachableError(errorMessage(error), error);
  }
}

function agentFor(options: TransportOptions): http.Agent {
  const { endpoint, tls } = options;
  const secure = endpoint.kind === "tcp" && endpoint.secure;
  const agent = secure ? new https.Agent({ keepAlive: true, ...tls }) : new http.Agent({ keepAlive: true });
  const open = dialled(options);
  if (open !== undefined) {
    agent.createConnection = open;
    // Kept as they are: what was dialled need not be a socket, with a socket's calls for keeping it alive.
    agent.keepSocketAlive = () => true;
    agent.reuseSocket = () => {};
  }
  return agent;
}

interface RawAnswer {
  readonly status: number;
  readonly text: string;
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
