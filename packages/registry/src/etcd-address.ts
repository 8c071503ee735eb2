import { posix } from "node:path";
import { readList } from "@fleet/runtime/config";

/** Where fleet 1.0 looked for etcd, and so do we: the port of etcd 2 and later, and the one before that. */
export const defaultEtcdServers: readonly string[] = ["http://127.0.0.1:2379", "http://127.0.0.1:4001"];

/** Where fleet 1.0 kept its data, and so do we (in etcd's other key space, so that both fit into one etcd). */
export const defaultKeyPrefix = "/_coreos.com/fleet/";

/**
 * A list of etcd's URLs, `a,b` or `["a", "b"]`, each with its port and each once. Undefined when one of them is no
 * plain http:// or https:// URL, or when they are not all of one kind.
 */
export function readEtcdServers(text: string): readonly string[] | undefined {
  const servers = new Set<string>();
  const protocols = new Set<string>();
  for (const item of readList(text)) {
    const url = URL.canParse(item) ? new URL(item) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol) || !/^https?:\/\//i.test(item)) return undefined;
    if (url.username !== "" || url.password !== "") return undefined;
    if (url.pathname !== "/" || url.search !== "" || url.hash !== "") return undefined;
    // A URL leaves out the port that its scheme implies; the gRPC client would take that for 443.
    const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
    servers.add(`${url.protocol}//${url.hostname}:${port}`);
    protocols.add(url.protocol);
  }
  return protocols.size === 1 ? [...servers] : undefined;
}

/** A key prefix, with one `/` at its beginning and its end; undefined when it can be none. */
export function readKeyPrefix(text: string): string | undefined {
  return /[\s\0]/.test(text) ? undefined : posix.normalize(`/${text}/`);
}
