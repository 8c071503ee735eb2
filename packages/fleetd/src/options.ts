import { defaultEtcdServers, defaultKeyPrefix, readEtcdServers, readKeyPrefix } from "@fleet/registry";
import {
  configOption,
  configSchema,
  readBoolean,
  readDuration,
  readInteger,
  readList,
  withoutQuotes,
} from "@fleet/runtime/config";
import type { z } from "zod";
import { type ListenAddress, parseListenAddress } from "./listen-address.ts";

// The names, meanings and defaults are those of fleet 1.0, unless docs/configuration.md says otherwise.

const boolean = () => configOption("true or false", readBoolean);
const integer = (min: number, max: number) =>
  configOption(`a whole number from ${min} to ${max}`, (text) => readInteger(text, min, max));
const anyText = () => configOption("text", (text) => text);

const maxDurationMs = 24 * 3_600_000;
const duration = (minMs: number, least: string) =>
  configOption(
    `a duration between ${least} and 24h, such as 30s, 500ms, 1m30s or a number of seconds`,
    (text) => {
      const ms = readDuration(text);
      return ms !== undefined && ms >= minMs && ms <= maxDurationMs ? ms : undefined;
    },
  );

const absolutePath = (what: string) =>
  configOption(`the absolute path of a ${what}`, (text) =>
    text.startsWith("/") && !text.includes("\0") ? text : undefined,
  );

// etcd makes anything shorter two seconds, so a shorter wish would be promised and not kept.
const leaseDuration = () => duration(2_000, "2s (the shortest lease etcd grants)");

/** Every option of fleet.conf, as text in and value out. Times are in milliseconds. */
export const optionsSchema = configSchema({
  verbosity: integer(0, 100).default(0),
  etcd_servers: configOption(
    "a list of http://host:port or https://host:port URLs, all of one kind",
    readEtcdServers,
  ).default([...defaultEtcdServers]),
  etcd_username: anyText().optional(),
  etcd_password: anyText().optional(),
  etcd_keyfile: absolutePath("PEM file").optional(),
  etcd_certfile: absolutePath("PEM file").optional(),
  etcd_cafile: absolutePath("PEM file").optional(),
  etcd_key_prefix: configOption("a key prefix such as /_coreos.com/fleet/", readKeyPrefix).default(
    defaultKeyPrefix,
  ),
  etcd_request_timeout: duration(10, "10ms").default(1_000),
  engine_reconcile_interval: duration(0, "0").optional(),
  public_ip: configOption("an IP address or a host name", (text) =>
    /^[0-9A-Za-z.:%_-]+$/.test(text) ? text : undefined,
  ).optional(),
  metadata: configOption("pairs such as region=eu,disk=ssd", readMetadata).default(new Map()),
  agent_ttl: leaseDuration().default(30_000),
  units_directory: absolutePath("directory").default("/run/fleet/units/"),
  systemd_user: boolean().default(false),
  token_limit: integer(1, 65_535).default(100),
  disable_engine: boolean().default(false),
  listen: configOption(
    "a list of unix:///path (three slashes, a path of at most 107 bytes) and tcp://host:port",
    readListen,
  ).optional(),
  leader_ttl: leaseDuration().default(5_000),
  mass_loss_share: configOption("a number from 0 to 1", (text) => {
    const share = /^(0|1|[01]?\.\d+)$/.test(text) ? Number(text) : undefined;
    return share !== undefined && share <= 1 ? share : undefined;
  }).default(0.5),
  shutdown_policy: configOption("unload or keep", (text) =>
    text === "unload" || text === "keep" ? text : undefined,
  ).default("unload"),
  dashboard_actions: boolean().default(false),
  disable_watches: boolean().optional(),
  enable_grpc: boolean().optional(),
  verify_units: boolean().optional(),
  authorized_keys_file: anyText().optional(),
}).check((context) => {
  for (const [one, other] of belongTogether) {
    const [missing, present] = context.value[one] === undefined ? [one, other] : [other, one];
    if (context.value[missing] === undefined && context.value[present] !== undefined) {
      context.issues.push({
        code: "custom",
        path: [missing],
        message: `must be set, because ${present} is`,
        input: undefined,
      });
    }
  }
});

const belongTogether = [
  ["etcd_username", "etcd_password"],
  ["etcd_keyfile", "etcd_certfile"],
] as const;

export type Options = z.output<typeof optionsSchema>;

/** Options that fleet 1.0 had and that do nothing here, with the reason. */
export const optionsWithoutEffect: ReadonlyMap<string, string> = new Map([
  ["engine_reconcile_interval", "the engine follows changes and polls nothing"],
  ["disable_watches", "everything follows watches"],
  ["enable_grpc", "daemons meet in etcd alone"],
  ["verify_units", "units are not signed"],
  ["authorized_keys_file", "units are not signed"],
]);

/** `k=v,k2=v2`: quotes and blanks dropped, the last of a repeated key wins. */
function readMetadata(text: string): ReadonlyMap<string, string> | undefined {
  const metadata = new Map<string, string>();
  for (const pair of readList(text)) {
    const equals = pair.indexOf("=");
    const key = withoutQuotes(pair.slice(0, Math.max(equals, 0)));
    if (key === "" || /\s/.test(key)) return undefined;
    metadata.set(key, withoutQuotes(pair.slice(equals + 1)));
  }
  return metadata;
}

function readListen(text: string): readonly ListenAddress[] | undefined {
  const addresses: ListenAddress[] = [];
  for (const item of readList(text)) {
    const address = parseListenAddress(item);
    if (address === undefined) return undefined;
    addresses.push(address);
  }
  return addresses.length === 0 ? undefined : addresses;
}
