import http from "node:http";
import { type Clock, type Logger, type Metrics, type Random, silentMetrics } from "@fleet/runtime";
import type { FastifyInstance } from "fastify";
import { ClusterCache } from "../cache/cluster-cache.ts";
import { FollowedCache } from "../cache/followed-cache.ts";
import { ModelView } from "../cache/model-view.ts";
import { message } from "../contract/messages.ts";
import type { ApiRegistry } from "../registry-port.ts";
import { refuse, WatchHub } from "../stream/watch-hub.ts";
import { apiMetrics } from "./api-metrics.ts";
import { ClusterAccess } from "./cluster-access.ts";
import type { Dashboard } from "./dashboard-routes.ts";
import type { Exposition } from "./exposition.ts";
import { Foresight } from "./foresight.ts";
import { buildHttpApp } from "./http-app.ts";

export interface ApiOptions {
  readonly registry: ApiRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Silent unless given. */
  readonly metrics?: Metrics;
  /** What `GET /metrics` answers with; 404 unless given. */
  readonly exposition?: Exposition;
  /** What is served below `/ui/`; 404 unless given. */
  readonly dashboard?: Dashboard;
  /** Version for the `Server` header. */
  readonly version: string;
  /** Rows of a page (fleet's token_limit), 1–65535. */
  readonly tokenLimit: number;
  /** How long a machine counts as present after it was last heard of; not told to users unless given. */
  readonly agentTtlMs?: number;
  /** Longest a request waits for the store. fleetctl itself gives up after 3 s: 2.5 s unless given. */
  readonly deadlineMs?: number;
  /** How long the watch of the cluster outlives the last request or stream. 60 s unless given. */
  readonly cacheIdleMs?: number;
  /** How long a stream's receiver may take for one message. 10 s unless given. */
  readonly streamDrainMs?: number;
  /** Streams open at once. 256 unless given. */
  readonly maxStreams?: number;
}

/** The HTTP API, apart from its listeners: any number of servers may serve it, each on its own socket. */
export interface Api {
  /** An HTTP server that serves this API, with limits against slow clients. Its listening and closing are the caller's. */
  createServer(): http.Server;
  /** Ends all streams and the watch of the cluster. Requests after it fail. */
  close(): Promise<void>;
}

const secondMs = 1_000;
const pingMs = 20 * secondMs;
const proofMs = secondMs;

/** Limits of a listener; a client that is slower than these is cut off. */
const serverLimits = {
  headersTimeout: 10 * secondMs,
  requestTimeout: 30 * secondMs,
  keepAliveTimeout: 60 * secondMs,
  connectionsCheckingInterval: 5 * secondMs,
  maxHeaderSize: 32 * 1024,
} as const;
/** No byte moved on a connection, in either direction. */
const inactivityMs = 120 * secondMs;
/** Of one listener; beyond it a new connection takes the place of an old one. */
const maxConnections = 4_096;

/** Builds the API. Reads nothing from the store until the first request comes. */
export async function createApi(options: ApiOptions): Promise<Api> {
  const { registry, clock, random, logger, deadlineMs = 2.5 * secondMs } = options;
  const serverName = `fleetd/${options.version}`;
  const following = { registry, clock, random, logger, idleMs: options.cacheIdleMs ?? 60 * secondMs };
  const cache = new ClusterCache(following);
  const models = new FollowedCache<ModelView, void>({ ...following, begin: () => new ModelView() });
  const access = new ClusterAccess({ registry, cache, clock, deadlineMs, proofMs });
  const metrics = apiMetrics(options.metrics ?? silentMetrics, () => hub.size);
  const app = await buildHttpApp({
    context: { registry, access, pageLimit: options.tokenLimit },
    foresight: new Foresight({ registry, models, clock, deadlineMs, agentTtlMs: options.agentTtlMs }),
    serverName,
    logger,
    metrics,
    exposition: options.exposition,
    dashboard: options.dashboard,
  });
  const hub = new WatchHub({
    cache,
    registry,
    clock,
    serverName,
    limits: { drainMs: options.streamDrainMs ?? 10 * secondMs, pingMs, patienceMs: deadlineMs },
    maxStreams: options.maxStreams ?? 256,
    answered: (status) => metrics.answered("watch", status),
  });
  return {
    createServer: () => buildServer(app, hub, serverName),
    close: async () => {
      hub.close();
      await Promise.all([cache.close(), models.close()]);
      await app.close();
    },
  };
}

function buildServer(app: FastifyInstance, hub: WatchHub, serverName: string): http.Server {
  const server = http.createServer(serverLimits, (request, response) => app.routing(request, response));
  server.timeout = inactivityMs;
  server.maxConnections = maxConnections;
  server.on("upgrade", (request, socket, head) => hub.upgrade(request, socket, head));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const [status, text] = clientFault(error.code);
    refuse(socket, status, text, serverName);
  });
  return server;
}

/** What Node's HTTP parser could not take. */
function clientFault(code: string | undefined): readonly [status: number, text: string] {
  if (code === "HPE_HEADER_OVERFLOW") return [431, "request headers are too large"];
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return [408, "the request took too long"];
  return [400, message.notHttp];
}
