import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Api, type ApiOptions, type ApiRegistry, createApi } from "@fleet/api";
import { FleetClient } from "@fleet/api/client";
import { type Clock, silentLogger, systemClock } from "@fleet/runtime";

interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

interface Asking {
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An API over a registry, served on a unix socket of its own. */
export interface ServedApi {
  readonly api: Api;
  readonly client: FleetClient;
  readonly socketPath: string;
  ask(method: string, path: string, asking?: Asking): Promise<Answered>;
  stop(): Promise<void>;
}

export async function serveApi(
  registry: ApiRegistry,
  options: Partial<ApiOptions> & { readonly clock?: Clock } = {},
): Promise<ServedApi> {
  const directory = await mkdtemp(join(tmpdir(), "fleet-api-"));
  const socketPath = join(directory, "fleet.sock");
  const api = await createApi({
    registry,
    clock: systemClock,
    random: () => 0.5,
    logger: silentLogger,
    version: "9.9.9",
    tokenLimit: 100,
    deadlineMs: 300,
    ...options,
  });
  const server = api.createServer();
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const client = new FleetClient({ endpoint: { kind: "unix", socketPath }, requestTimeoutMs: 5_000 });
  return {
    api,
    client,
    socketPath,
    ask: (method, path, asking = {}) => ask(socketPath, method, path, asking),
    stop: async () => {
      client.close();
      await api.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

function ask(socketPath: string, method: string, path: string, asking: Asking): Promise<Answered> {
  const payload = asking.raw ?? (asking.body === undefined ? undefined : JSON.stringify(asking.body));
  const headers = {
    ...(asking.body === undefined ? {} : { "content-type": "application/json" }),
    ...asking.headers,
  };
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", reject);
      response.on("end", () => {
        const isJson = (response.headers["content-type"] ?? "").startsWith("application/json");
        const json: unknown = isJson && text !== "" ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    request.on("error", reject);
    request.end(payload);
  });
}
