import { request } from "node:http";
import { FleetError } from "@fleet/runtime";

export interface ApiResponse {
  readonly status: number;
  /** Parsed JSON; undefined for an empty or other body. */
  readonly body: unknown;
  readonly text: string;
}

export interface ApiRequest {
  readonly method?: string;
  /** Path and query, such as `/fleet/v1/units`. */
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** One HTTP request over a unix socket. Any status is a value; fails with `lab_api` when there is no answer. */
export function apiRequest(socketPath: string, options: ApiRequest): Promise<ApiResponse> {
  const timeoutMs = options.timeoutMs ?? 5_000;
  const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(new FleetError("lab_api", `${options.path} at ${socketPath}: ${cause.message}`, { cause }));
    const outgoing = request(
      {
        socketPath,
        method: options.method ?? "GET",
        path: options.path,
        headers: payload === undefined ? {} : { "content-type": "application/json" },
        signal: AbortSignal.timeout(timeoutMs),
      },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => {
          text += chunk;
        });
        incoming.on("error", fail);
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, body: parseJson(text), text }));
      },
    );
    outgoing.on("error", fail);
    outgoing.end(payload);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
