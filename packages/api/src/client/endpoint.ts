import type { Result } from "@fleet/core";

/** Where a daemon listens. */
export type Endpoint =
  | { readonly kind: "unix"; readonly socketPath: string }
  | { readonly kind: "tcp"; readonly secure: boolean; readonly hostname: string; readonly port: number };

/**
 * Reads `unix:///path`, `file:///path`, `http://host[:port]` or `https://host[:port]`. Of a comma-separated
 * list only the first entry counts, as in fleet. The problem is a sentence to show.
 */
export function parseEndpoint(text: string): Result<Endpoint, string> {
  const first = (text.split(",")[0] ?? "").trim();
  const local = /^(unix|file):\/\/(.*)$/.exec(first);
  if (local !== null) {
    const [, scheme, path = ""] = local;
    if (path.startsWith("/")) return { ok: true, value: { kind: "unix", socketPath: path } };
    const problem =
      `invalid endpoint ${JSON.stringify(first)}: the path of a socket must be absolute, ` +
      `as in ${scheme}:///${path} (three slashes)`;
    return { ok: false, problem };
  }
  const url = URL.canParse(first) ? new URL(first) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    const problem = `invalid endpoint ${JSON.stringify(first)}: expected unix://, file://, http:// or https://`;
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
