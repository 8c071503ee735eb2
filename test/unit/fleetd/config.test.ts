import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "@fleet/runtime/config";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Config, loadConfig, needsRestart, reloaded } from "../../../packages/fleetd/src/config.ts";
import { optionsSchema } from "../../../packages/fleetd/src/options.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));

let directory: string;
let empty: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetd-config-"));
  empty = join(directory, "empty.conf");
  await writeFile(empty, "");
});
afterAll(() => rm(directory, { recursive: true }));

/** Options as environment variables, over an empty file: the machine's own fleet.conf is not looked at. */
function load(options: Readonly<Record<string, string>> = {}) {
  const environment = Object.fromEntries(
    Object.entries(options).map(([name, value]) => [`FLEET_${name.toUpperCase()}`, value]),
  );
  return loadConfig({ path: empty, environment });
}

async function problems(options: Readonly<Record<string, string>>): Promise<readonly string[]> {
  try {
    await load(options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const defaults: Config = {
  verbosity: 0,
  etcd: {
    servers: ["http://127.0.0.1:2379", "http://127.0.0.1:4001"],
    keyPrefix: "/_coreos.com/fleet/",
    requestTimeoutMs: 1_000,
    login: undefined,
    tls: undefined,
  },
  publicIp: undefined,
  metadata: new Map(),
  agentTtlMs: 30_000,
  leaderTtlMs: 5_000,
  unitsDirectory: "/run/fleet/units/",
  systemdUser: false,
  tokenLimit: 100,
  engineEnabled: true,
  massLossShare: 0.5,
  shutdownPolicy: "unload",
  dashboardActions: false,
  listen: undefined,
};

describe("loadConfig", () => {
  test("has fleet's defaults and no warning", async () => {
    expect(await load()).toEqual({ config: defaults, warnings: [] });
  });

  const etcd = defaults.etcd;
  const cases: readonly { options: Record<string, string>; expected: Partial<Config> }[] = [
    { options: { dashboard_actions: "true" }, expected: { dashboardActions: true } },
    { options: { verbosity: "1" }, expected: { verbosity: 1 } },
    {
      options: { etcd_servers: '["http://10.0.0.1:2379", "http://10.0.0.2:2379"]' },
      expected: { etcd: { ...etcd, servers: ["http://10.0.0.1:2379", "http://10.0.0.2:2379"] } },
    },
    {
      options: { etcd_servers: "https://etcd.example/,https://[::1]:2379,https://etcd.example:443" },
      expected: { etcd: { ...etcd, servers: ["https://etcd.example:443", "https://[::1]:2379"] } },
    },
    {
      options: { etcd_username: "root", etcd_password: "secret" },
      expected: { etcd: { ...etcd, login: { username: "root", password: "secret" } } },
    },
    { options: { etcd_key_prefix: "fleet" }, expected: { etcd: { ...etcd, keyPrefix: "/fleet/" } } },
    { options: { etcd_key_prefix: "/a//b/" }, expected: { etcd: { ...etcd, keyPrefix: "/a/b/" } } },
    { options: { etcd_request_timeout: "2.5" }, expected: { etcd: { ...etcd, requestTimeoutMs: 2_500 } } },
    { options: { public_ip: "172.17.8.101" }, expected: { publicIp: "172.17.8.101" } },
    { options: { public_ip: "core-01.example" }, expected: { publicIp: "core-01.example" } },
    { options: { agent_ttl: "1m" }, expected: { agentTtlMs: 60_000 } },
    { options: { agent_ttl: "2s" }, expected: { agentTtlMs: 2_000 } },
    { options: { leader_ttl: "3" }, expected: { leaderTtlMs: 3_000 } },
    { options: { mass_loss_share: "0.34" }, expected: { massLossShare: 0.34 } },
    { options: { mass_loss_share: "1" }, expected: { massLossShare: 1 } },
    { options: { mass_loss_share: "0" }, expected: { massLossShare: 0 } },
    { options: { shutdown_policy: "keep" }, expected: { shutdownPolicy: "keep" } },
    { options: { shutdown_policy: "unload" }, expected: { shutdownPolicy: "unload" } },
    {
      options: { units_directory: "/run/m/systemd/user" },
      expected: { unitsDirectory: "/run/m/systemd/user" },
    },
    { options: { systemd_user: "true" }, expected: { systemdUser: true } },
    { options: { token_limit: "10" }, expected: { tokenLimit: 10 } },
    { options: { disable_engine: "true" }, expected: { engineEnabled: false } },
    {
      options: { listen: "unix:///run/fleet.sock, tcp://127.0.0.1:49153" },
      expected: {
        listen: [
          { kind: "unix", path: "/run/fleet.sock" },
          { kind: "tcp", host: "127.0.0.1", port: 49_153 },
        ],
      },
    },
  ];
  test.each(cases)("reads $options", async ({ options, expected }) => {
    expect(await load(options)).toEqual({ config: { ...defaults, ...expected }, warnings: [] });
  });

  const metadataCases: readonly [string, Readonly<Record<string, string>>][] = [
    ["region=us-east-1,rack=5", { region: "us-east-1", rack: "5" }],
    ['"region=us-east-1,rack=5"', { region: "us-east-1", rack: "5" }],
    ['"region=us-east-1","rack=5"', { region: "us-east-1", rack: "5" }],
    ["region=\"us-east-1\", rack='5'", { region: "us-east-1", rack: "5" }],
    [" region = us-east-1 , rack = 5 ", { region: "us-east-1", rack: "5" }],
    ["disk=hdd,disk=ssd", { disk: "ssd" }],
    ["query=a=b", { query: "a=b" }],
    ["flag=", { flag: "" }],
    ["region=eu,", { region: "eu" }],
    ["", {}],
  ];
  test.each(metadataCases)("reads the metadata %j", async (metadata, expected) => {
    const { config } = await load({ metadata });
    expect(Object.fromEntries(config.metadata)).toEqual(expected);
  });

  const badValues: readonly { option: string; value: string; accepted: string }[] = [
    { option: "verbosity", value: "loud", accepted: "a whole number from 0 to 100" },
    ...["1.5", "-0.5", "half", "50%", "1e-1"].map((value) => ({
      option: "mass_loss_share",
      value,
      accepted: "a number from 0 to 1",
    })),
    ...[
      "127.0.0.1:2379",
      "ftp://127.0.0.1:2379",
      "http:127.0.0.1",
      "http://",
      "http://127.0.0.1:99999",
      "http://127.0.0.1:2379/v2",
      "http://a:2379,https://b:2379",
      "[]",
      ",",
    ].map((value) => ({
      option: "etcd_servers",
      value,
      accepted: "a list of http://host:port or https://host:port URLs, all of one kind",
    })),
    { option: "etcd_key_prefix", value: "/a b/", accepted: "a key prefix such as /_coreos.com/fleet/" },
    ...["soon", "-1", "0", "5ms", "25h"].map((value) => ({
      option: "etcd_request_timeout",
      value,
      accepted: "a duration between 10ms and 24h, such as 30s, 500ms, 1m30s or a number of seconds",
    })),
    ...["1s", "1999ms", "soon"].map((value) => ({
      option: "agent_ttl",
      value,
      accepted:
        "a duration between 2s (the shortest lease etcd grants) and 24h, such as 30s, 500ms, 1m30s or a number of seconds",
    })),
    { option: "public_ip", value: "10.0.0.1 10.0.0.2", accepted: "an IP address or a host name" },
    { option: "metadata", value: "region", accepted: "pairs such as region=eu,disk=ssd" },
    { option: "metadata", value: "=eu", accepted: "pairs such as region=eu,disk=ssd" },
    { option: "units_directory", value: "units", accepted: "the absolute path of a directory" },
    { option: "systemd_user", value: "maybe", accepted: "true or false" },
    { option: "token_limit", value: "0", accepted: "a whole number from 1 to 65535" },
    { option: "token_limit", value: "65536", accepted: "a whole number from 1 to 65535" },
    { option: "disable_engine", value: "2", accepted: "true or false" },
    ...["unix://var/run/fleet.sock", "fleet.sock", "tcp://127.0.0.1", ","].map((value) => ({
      option: "listen",
      value,
      accepted: "a list of unix:///path (three slashes, a path of at most 107 bytes) and tcp://host:port",
    })),
  ];
  test.each(badValues)("refuses $option=$value", async ({ option, value, accepted }) => {
    const variable = `FLEET_${option.toUpperCase()}`;
    expect(await problems({ [option]: value })).toEqual([
      `${option} (from the environment variable ${variable}): ${JSON.stringify(value)} is not accepted: expected ${accepted}`,
    ]);
  });

  test.each([
    ["etcd_username", "etcd_password"],
    ["etcd_password", "etcd_username"],
  ])("%s alone is not accepted", async (present, missing) => {
    expect(await problems({ [present]: "x" })).toEqual([`${missing}: must be set, because ${present} is`]);
  });

  test("what has no effect is accepted, and said", async () => {
    const { config, warnings } = await load({
      engine_reconcile_interval: "2",
      disable_watches: "true",
      enable_grpc: "true",
      verify_units: "true",
      authorized_keys_file: "/root/.ssh/authorized_keys",
    });
    expect(config).toEqual(defaults);
    expect(warnings).toEqual([
      "option engine_reconcile_interval has no effect: the engine follows changes and polls nothing",
      "option disable_watches has no effect: everything follows watches",
      "option enable_grpc has no effect: daemons meet in etcd alone",
      "option verify_units has no effect: units are not signed",
      "option authorized_keys_file has no effect: units are not signed",
    ]);
  });

  test("a --config file that is missing is fatal", async () => {
    const path = join(directory, "missing.conf");
    await expect(loadConfig({ path, environment: {} })).rejects.toThrow(
      `cannot read the configuration file ${path}: it does not exist`,
    );
  });

  test("reads the file given", async () => {
    const path = join(directory, "fleet.conf");
    await writeFile(path, 'public_ip="10.0.0.1"\nmetadata="region=eu,disk=ssd"\n');
    const { config } = await loadConfig({ path, environment: { FLEET_PUBLIC_IP: "10.0.0.2" } });
    expect(config.publicIp).toBe("10.0.0.2");
    expect([...config.metadata]).toEqual([
      ["region", "eu"],
      ["disk", "ssd"],
    ]);
  });
});

test("every option is in the documentation, and nothing else is", async () => {
  const text = await readFile(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  const [, options = ""] = text.split("## Options");
  const [table = ""] = options.split("## Sockets");
  const first = table
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`([a-z_]+)`/g)]);
  const accepted = [
    ...(/^Accepted, and without effect: .*$/m.exec(table)?.[0] ?? "").matchAll(/`([a-z_]+)`/g),
  ];
  const documented = [...first, ...accepted].map(([, option]) => option);
  expect(documented.sort()).toEqual(Object.keys(optionsSchema.shape).sort());
});

describe("TLS files", () => {
  const https = { etcd_servers: "https://127.0.0.1:2379" };
  const certificate = fixture("certificate.pem");
  const key = fixture("key.pem");

  test("are read", async () => {
    const { config, warnings } = await load({
      ...https,
      etcd_cafile: certificate,
      etcd_certfile: certificate,
      etcd_keyfile: key,
    });
    expect(config.etcd.tls?.authorities?.toString()).toContain("BEGIN CERTIFICATE");
    expect(config.etcd.tls?.identity?.key.toString()).toContain("PRIVATE KEY");
    expect(warnings).toEqual([]);
  });

  test("without https:// servers they are left out, and that is said", async () => {
    const { config, warnings } = await load({ etcd_cafile: certificate });
    expect(config.etcd.tls).toBeUndefined();
    expect(warnings).toEqual(["the TLS files for etcd have no effect: etcd_servers are http:// URLs"]);
  });

  test("a missing file is named with its option", async () => {
    expect(await problems({ ...https, etcd_cafile: "/nonexistent/ca.pem" })).toEqual([
      "etcd_cafile: cannot read /nonexistent/ca.pem: ENOENT: no such file or directory, open '/nonexistent/ca.pem'",
    ]);
  });

  test("a file that is no PEM is named with its option", async () => {
    const [problem] = await problems({ ...https, etcd_cafile: empty });
    expect(problem).toMatch(`etcd_cafile: ${empty} does not hold what is expected in PEM: `);
  });

  test("a key of another certificate is found out", async () => {
    const otherKey = join(directory, "other-key.pem");
    const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    await writeFile(otherKey, pair.privateKey.export({ type: "pkcs8", format: "pem" }));
    expect(await problems({ ...https, etcd_certfile: certificate, etcd_keyfile: otherKey })).toEqual([
      `etcd_keyfile: the key in ${otherKey} does not belong to the certificate in ${certificate}`,
    ]);
  });

  test("a certificate without its key is not accepted", async () => {
    expect(await problems({ ...https, etcd_certfile: certificate })).toEqual([
      "etcd_keyfile: must be set, because etcd_certfile is",
    ]);
  });
});

describe("reload", () => {
  const changed: Config = {
    ...defaults,
    verbosity: 1,
    unitsDirectory: "/run/other",
    systemdUser: true,
    listen: [{ kind: "tcp", host: "127.0.0.1", port: 1 }],
  };

  test("names what only a restart can change", () => {
    expect(needsRestart(defaults, changed)).toEqual(["units_directory", "systemd_user", "listen"]);
    expect(needsRestart(defaults, { ...defaults, verbosity: 1 })).toEqual([]);
  });

  test("takes over everything else", () => {
    expect(reloaded(defaults, changed)).toEqual({ ...defaults, verbosity: 1 });
  });
});
