import { defaultEtcdServers, readEtcdServers, readKeyPrefix } from "@fleet/registry";
import type { FlagValues } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import { readTlsFiles, type TlsTexts } from "../tls-files.ts";

/** How to reach the etcd that a cluster is kept in. */
export interface EtcdSettings {
  readonly endpoints: readonly string[];
  /** Begins and ends in `/`. */
  readonly keyPrefix: string;
  /** Longest that one command line waits for one answer. */
  readonly requestTimeoutMs: number;
  readonly login?: { readonly username: string; readonly password: string };
  /** Undefined for http:// endpoints. */
  readonly tls?: TlsTexts;
}

/** Throws CommandFailure for flags that name no etcd. */
export async function readEtcdSettings(flags: FlagValues): Promise<EtcdSettings> {
  const endpoints = readEndpoints(flags);
  const keyPrefix = readKeyPrefix(flags.text("etcd-key-prefix"));
  if (keyPrefix === undefined) {
    throw new CommandFailure(
      `invalid --etcd-key-prefix ${JSON.stringify(flags.text("etcd-key-prefix"))}: it holds a blank`,
    );
  }
  const login = readLogin(flags);
  return {
    endpoints,
    keyPrefix,
    requestTimeoutMs: flags.milliseconds("request-timeout"),
    ...(login === undefined ? {} : { login }),
    ...(endpoints.some((endpoint) => endpoint.startsWith("https:")) ? { tls: await readTls(flags) } : {}),
  };
}

function readEndpoints(flags: FlagValues): readonly string[] {
  // The default of the flag is a daemon's socket.
  if (!flags.given("endpoint")) return defaultEtcdServers;
  const text = flags.text("endpoint");
  const endpoints = readEtcdServers(text);
  if (endpoints !== undefined) return endpoints;
  throw new CommandFailure(
    `Unable to initialize client: invalid endpoint ${JSON.stringify(text)}: with --driver=etcd it names etcd's ` +
      "members, http://HOST:PORT or https://HOST:PORT, several of one kind separated by commas",
  );
}

async function readTls(flags: FlagValues): Promise<TlsTexts> {
  const tls = await readTlsFiles(flags, {
    ca: ["ca-file", "etcd-cafile"],
    cert: ["cert-file", "etcd-certfile"],
    key: ["key-file", "etcd-keyfile"],
  });
  // The client library would connect without showing the certificate.
  if (tls.cert !== undefined && tls.ca === undefined) {
    throw new CommandFailure(
      "with --driver=etcd --cert-file needs --ca-file, the authority of etcd's certificate",
    );
  }
  return tls;
}

function readLogin(flags: FlagValues): EtcdSettings["login"] {
  const username = flags.text("etcd-username");
  const password = flags.text("etcd-password");
  if ((username === "") !== (password === "")) {
    throw new CommandFailure("--etcd-username and FLEETCTL_ETCD_PASSWORD belong together");
  }
  return username === "" ? undefined : { username, password };
}
