import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { nodeTls } from "./node-tls.ts";
import type { TransportOptions } from "./transport.ts";

/** A connection opened with `dial`, with TLS on it where the endpoint asks for that; undefined without `dial`. */
export function dialled({ endpoint, tls, dial }: TransportOptions): (() => Duplex) | undefined {
  if (dial === undefined) return undefined;
  if (endpoint.kind !== "tcp" || !endpoint.secure) return () => asSocket(dial(endpoint));
  const { hostname } = endpoint;
  // TLS names no server by its address.
  const name = isIP(hostname) === 0 ? { servername: hostname } : {};
  return () => nodeTls().connect({ ...tls, ...name, host: hostname, socket: dial(endpoint) });
}

/**
 * Gives a stream the calls of a socket that Node's HTTP client makes without looking whether they are there. They have no
 * effect: what they are about is the business of whoever dials.
 */
function asSocket(stream: Duplex): Duplex {
  for (const name of ["setKeepAlive", "setNoDelay", "setTimeout", "ref", "unref"]) {
    if (!(name in stream)) Object.defineProperty(stream, name, { value: () => stream });
  }
  return stream;
}
