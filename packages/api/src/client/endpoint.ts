import type { Result } from "@fleet/core";

/** Where a daemon listens. */
export type Endpoint =
  | { readonly kind: "unix"; readonly socketPath: string }
  | { readonly kind: "tcp"; readonly secure: boolean; readonly hostname: string; readonly port: number };

/** Reads a comma-separated list of endpoints, as parseEndpoint does. The problem is a sentence to show. */
export function parseEndpoints(text: string): Result<readonly [Endpoint, ...Endpoint[]], string> {
  const [first = "", ...more] = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const head = parseEndpoint(first);
  if (!head.ok) return head;
  const endpoints: [Endpoint, ...Endpoint[]] = [head.value];
  for (const part of more) {
    const parsed = parseEndpoint(part);
    if (!parsed.ok) return parsed;
    endpoints.push(parsed.value);
  }
  return { ok: true, value: endpoints };
}

/**
 * Reads `unix:///path`, `file:///path`, `http://host[:port]` or `https://host[:port]`. The problem is a sentence to
 * show.
 */
export function parseEndpoint(text: string): Result<Endpoint, string> {
  const endpoint = text.trim();
  const local = /^(unix|file):\/\/(.*)$/.exec(endpoint);
  if (local !== null) {
    const [, scheme, path = ""] = local;
    if (path.startsWith("/")) return { ok: true, value: { kind: "unix", socketPath: path } };
    const problem =
      `invalid endpoint ${JSON.stringify(endpoint)}: the path of a socket must be absolute, ` +
      `as in ${scheme}:///${path} (three slashes)`;
    return { ok: false, problem };
  }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    const problem = `invalid endpoint ${JSON.stringify(endpoint)}: expected unix://, file://, http:// or https://`;
    return { ok: false, problem };
  }
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  // An IPv6 address stands in brackets in a URL, but not in a socket address.
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  return { ok: true, value: { kind: "tcp", secure, hostname, port } };
}

/** `host:port` for the Host header and for TLS, brackets included. */
export function authority(endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return "localhost";
  const host = endpoint.hostname.includes(":") ? `[${endpoint.hostname}]` : endpoint.hostname;
  return `${host}:${endpoint.port}`;
}

/** The endpoint as one would write it. */
export function endpointText(endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return `unix://${endpoint.socketPath}`;
  return `${endpoint.secure ? "https" : "http"}://${authority(endpoint)}`;
}
