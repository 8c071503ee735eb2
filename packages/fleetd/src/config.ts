import { readConfig, readConfigFile } from "@fleet/runtime/config";
import { formatListenAddress, type ListenAddress } from "./listen-address.ts";
import { type Options, optionsSchema, optionsWithoutEffect } from "./options.ts";
import { readTlsFiles, type TlsMaterial } from "./tls-files.ts";

/** Everything the daemon is told; nothing else reads the file or the environment. */
export interface Config {
  readonly verbosity: number;
  readonly etcd: EtcdConfig;
  /** Address to publish; undefined: find one. */
  readonly publicIp: string | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  readonly agentTtlMs: number;
  readonly leaderTtlMs: number;
  readonly unitsDirectory: string;
  /** Drive the user's systemd instead of the system's. */
  readonly systemdUser: boolean;
  /** Rows on a page of the API. */
  readonly tokenLimit: number;
  readonly engineEnabled: boolean;
  /** More than this share of the machines must vanish at once for their units to be held; 1: never. */
  readonly massLossShare: number;
  /** What becomes of this machine's units when fleetd is told to end. */
  readonly shutdownPolicy: "unload" | "keep";
  /** Whether the dashboard may change what is wanted of units. */
  readonly dashboardActions: boolean;
  /** Undefined: what systemd passed, else the default socket. */
  readonly listen: readonly ListenAddress[] | undefined;
}

export interface EtcdConfig {
  readonly servers: readonly string[];
  readonly keyPrefix: string;
  readonly requestTimeoutMs: number;
  readonly login: { readonly username: string; readonly password: string } | undefined;
  readonly tls: TlsMaterial | undefined;
}

export interface ConfigSource {
  /** `--config`; undefined: the default file, if there is one. */
  readonly path: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const defaultConfigPath = "/etc/fleet/fleet.conf";
const environmentPrefix = "FLEET_";

/** Reads the configuration afresh. Throws ConfigError. */
export async function loadConfig(
  source: ConfigSource,
): Promise<{ readonly config: Config; readonly warnings: readonly string[] }> {
  const file = await readConfigFile(source.path ?? defaultConfigPath, {
    optional: source.path === undefined,
  });
  const { environment } = source;
  const { options, given, warnings } = readConfig(optionsSchema, { file, environment, environmentPrefix });
  const tls = await readTlsFiles(options);
  return {
    config: configOf(options, tls),
    warnings: [...warnings, ...withoutEffect(given), ...unusedTls(options, tls)],
  };
}

function configOf(options: Options, tls: TlsMaterial | undefined): Config {
  const { etcd_username: username, etcd_password: password } = options;
  return {
    verbosity: options.verbosity,
    etcd: {
      servers: options.etcd_servers,
      keyPrefix: options.etcd_key_prefix,
      requestTimeoutMs: options.etcd_request_timeout,
      login: username === undefined || password === undefined ? undefined : { username, password },
      tls: usesTls(options) ? tls : undefined,
    },
    publicIp: options.public_ip,
    metadata: options.metadata,
    agentTtlMs: options.agent_ttl,
    leaderTtlMs: options.leader_ttl,
    unitsDirectory: options.units_directory,
    systemdUser: options.systemd_user,
    tokenLimit: options.token_limit,
    engineEnabled: !options.disable_engine,
    massLossShare: options.mass_loss_share,
    shutdownPolicy: options.shutdown_policy,
    dashboardActions: options.dashboard_actions,
    listen: options.listen,
  };
}

function withoutEffect(given: ReadonlySet<string>): readonly string[] {
  return [...optionsWithoutEffect]
    .filter(([option]) => given.has(option))
    .map(([option, reason]) => `option ${option} has no effect: ${reason}`);
}

function usesTls(options: Options): boolean {
  return options.etcd_servers.some((server) => server.startsWith("https:"));
}

function unusedTls(options: Options, tls: TlsMaterial | undefined): readonly string[] {
  return tls !== undefined && !usesTls(options)
    ? ["the TLS files for etcd have no effect: etcd_servers are http:// URLs"]
    : [];
}

/** Options that `next` sets differently and that only a restart can change, in words. */
export function needsRestart(present: Config, next: Config): readonly string[] {
  const changed: string[] = [];
  // Units under the old directory, or in the other systemd, would be left running with nobody to look after them.
  if (present.unitsDirectory !== next.unitsDirectory) changed.push("units_directory");
  if (present.systemdUser !== next.systemdUser) changed.push("systemd_user");
  if (listenText(present) !== listenText(next)) changed.push("listen");
  return changed;
}

/** `next` with everything that only a restart can change as it is in `present`. */
export function reloaded(present: Config, next: Config): Config {
  const { unitsDirectory, systemdUser, listen } = present;
  return { ...next, unitsDirectory, systemdUser, listen };
}

function listenText(config: Config): string | undefined {
  return config.listen?.map(formatListenAddress).join(",");
}
