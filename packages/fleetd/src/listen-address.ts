/** Where the API listens, as the option `listen` says it. */
export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

// sockaddr_un holds 108 bytes, the last of them zero; node would cut a longer path without a word.
const maxUnixPathBytes = 107;

/** Reads `unix:///path`, `tcp://host:port` or `tcp://[v6]:port`; undefined for anything else. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const path = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) {
    return Buffer.byteLength(path) <= maxUnixPathBytes ? { kind: "unix", path } : undefined;
  }
  const [, v6, name, digits] = /^tcp:\/\/(?:\[([0-9a-fA-F:.]+)\]|([^\s/:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  const port = Number(digits);
  return host !== undefined && port <= 65_535 ? { kind: "tcp", host, port } : undefined;
}

/** The address as the option spells it. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  return `tcp://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}
