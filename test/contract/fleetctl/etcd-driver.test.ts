import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { promisify } from "node:util";
import { type Registration, Registry, type Store } from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { certificates } from "../registry/certificates.ts";
import { answering, freePort, RealEtcd } from "../registry/real-etcd.ts";
import { Remembering } from "../registry/registry-bench.ts";
import { fleetctl, type Outcome } from "./command-line.ts";
import { options, useFleetShell } from "./fleet-shell.ts";

const run = promisify(execFile);
const machineId = "0acdd9bf00000000000000000000abcd";
let etcd: RealEtcd;

beforeAll(async () => {
  etcd = await RealEtcd.start();
  const probe = etcd.client();
  await answering(probe);
  probe.close();
});

afterAll(() => etcd.stop());

/** fleetctl straight against etcd, below a prefix. */
function overEtcd(prefix: string, line: string, endpoint = etcd.endpoint): Promise<Outcome> {
  return fleetctl(endpoint, ["--driver=etcd", `--etcd-key-prefix=${prefix}`, ...line.split(" ")]);
}

/** A cluster, as the first fleetd makes it. */
async function founded(store: Store, prefix: string): Promise<Registry> {
  const registry = new Registry({
    store,
    prefix,
    memory: new Remembering(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  await registry.guard.open(new AbortController().signal);
  return registry;
}

async function keysBelow(prefix: string): Promise<readonly string[]> {
  const store = etcd.client();
  const { rows } = await store.range({ from: prefix, to: `${prefix.slice(0, -1)}0` });
  store.close();
  return rows.map((row) => row.key.slice(prefix.length));
}

describe("a cluster in etcd, and no daemon", () => {
  const here = useFleetShell();
  const stop = new AbortController();
  let prefix = "";
  let clusters = 0;
  let registry: Registry;
  let close = (): void => {};

  beforeEach(async () => {
    clusters += 1;
    prefix = `/driver/${clusters}/`;
    const store = etcd.client();
    close = () => store.close();
    registry = await founded(store, prefix);
  });

  afterEach(() => close());

  async function machine(): Promise<Registration> {
    const registered = await registry.registrations.register(
      {
        machineId,
        token: "token",
        publicIp: "10.0.2.15",
        metadata: { region: "china" },
        version: "0.0.0",
        ttlMs: 30_000,
      },
      stop.signal,
    );
    if (registered.outcome !== "registered") throw new Error("the machine's id is taken");
    return registered.registration;
  }

  test("a unit that waits is explained, and what would be is planned, without a trace", async () => {
    await machine();
    await here.file("hello.service");
    await here.file("eu.service", "[Service]\nExecStart=/bin/true\n[X-Fleet]\nMachineMetadata=region=eu\n");
    await overEtcd(prefix, `start --no-block ${here.directory}/eu.service`);
    const keys = await keysBelow(prefix);
    expect(await overEtcd(prefix, "explain eu")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(
        "eu.service waits for a machine: the only machine lacks region=eu (it has region=china).",
      ),
    });
    expect(await overEtcd(prefix, `plan ${here.directory}/hello.service`)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("start\thello.service\t-\t0acdd9bf..."),
    });
    expect(await keysBelow(prefix)).toEqual(keys);
  });

  test("units are submitted, shown, loaded, and destroyed", async () => {
    await here.file("hello.service");
    expect(await overEtcd(prefix, `submit ${here.directory}/hello.service`)).toEqual({
      code: 0,
      stdout: "Unit hello.service inactive\n",
      stderr: "",
    });
    expect(await overEtcd(prefix, "cat hello")).toMatchObject({
      code: 0,
      stdout: "[Service]\nExecStart=/bin/sleep infinity\n",
    });
    expect(await overEtcd(prefix, "load --no-block hello")).toMatchObject({
      code: 0,
      stdout: "Triggered unit hello.service load\n",
    });
    const listed = await overEtcd(prefix, "list-unit-files --no-legend --fields=unit,dstate,state,target");
    expect(listed).toMatchObject({ code: 0, stdout: "hello.service\tloaded\tinactive\t-\n" });
    expect(await overEtcd(prefix, "destroy hello")).toMatchObject({
      code: 0,
      stdout: "Destroyed hello.service\n",
    });
    expect(await overEtcd(prefix, "list-unit-files --no-legend")).toMatchObject({ code: 0, stdout: "" });
  });

  test("machines are listed", async () => {
    const registration = await machine();
    expect(await overEtcd(prefix, "list-machines --no-legend")).toMatchObject({
      code: 0,
      stdout: "0acdd9bf...\t10.0.2.15\tregion=china\n",
    });
    await registration.leave();
  });

  test("start waits, by a stream, until the unit runs", async () => {
    await here.file("hello.service");
    const registration = await machine();
    const started = overEtcd(prefix, `start ${here.directory}/hello.service`);
    for await (const batch of registry.followCluster(stop.signal)) {
      const launch = batch.changes.find(
        (change) =>
          change.kind === "unit" &&
          change.entry.status === "present" &&
          change.entry.value.target === "launched",
      );
      if (launch?.kind !== "unit" || launch.entry.status !== "present") continue;
      const { hash, generation } = launch.entry.value;
      const term = await registry.leadership.campaign({ machineId, ttlMs: 30_000 }, stop.signal);
      const record = { hash, target: "launched", generation, awaits: [] } as const;
      await registry.commit(term, [{ op: "assign", machineId, unit: "hello.service", record }], stop.signal);
      const row = { hash, load: "loaded", active: "active", sub: "running", launched: true };
      await registration.publish({ put: [{ unit: "hello.service", record: row }], remove: [] });
      await term.resign();
      break;
    }
    expect(await started).toEqual({
      code: 0,
      stdout: "Unit hello.service inactive\nUnit hello.service launched on 0acdd9bf.../10.0.2.15\n",
      stderr: "",
    });
    await registration.leave();
  });

  test("its being seeded anew is shown, finished only when nothing is lost by it, and over then", async () => {
    const store = etcd.client();
    await store.txn({
      compares: [],
      success: [{ op: "delete", from: prefix, to: `${prefix.slice(0, -1)}0` }],
    });
    store.close();
    // Nothing is left that would tell which cluster it was: only a daemon remembers.
    expect(await overEtcd(prefix, "reseed --yes")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^no fleet cluster below [\s\S]*: fleetctl reseed, without --driver=etcd/,
      ),
    });
    expect(await keysBelow(prefix)).toEqual([]);
    const begun = await registry.reseeding.begin(undefined, stop.signal);
    expect(begun).toMatchObject({ outcome: "begun", epoch: 2 });
    const registration = await machine();
    const awaited = await overEtcd(prefix, "reseed");
    expect(awaited).toMatchObject({ code: 0, stdout: `${machineId}\tnot yet\n` });
    expect(awaited.stderr).toContain("fleetctl reseed --finish");
    expect(await overEtcd(prefix, "reseed --finish")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`Machine ${machineId} has not told yet what it runs.`),
    });

    const stopped = { unit: "b.service", reason: "file_changed" } as const;
    const kept = { unit: "c.service", reason: "unreadable" } as const;
    await registration.contribution().report({ units: 1, left: [stopped, kept] });
    const told = `${machineId}\t1 units, 2 left\n`;
    expect(await overEtcd(prefix, "reseed")).toMatchObject({ code: 0, stdout: told });
    const refused = await overEtcd(prefix, "reseed --finish");
    expect(refused).toMatchObject({ code: 1, stdout: told });
    expect(refused.stderr).toContain(
      [
        "Once finished, these are stopped where they are:",
        `  b.service on ${machineId}: its unit file on the disk is not the one that fleet wrote`,
        "What etcd holds under these names cannot be read; they run on until it can be, or is destroyed:",
        `  c.service on ${machineId}`,
        "",
      ].join("\n"),
    );
    expect(registry.guard.reseeding).toBe(true);
    await here.file("hello.service");
    const submitted = await overEtcd(prefix, `submit ${here.directory}/hello.service`);
    expect(submitted).toMatchObject({ code: 1, stderr: expect.stringContaining("seeded anew") });

    // What runs on is no reason to ask.
    await registration.contribution().report({ units: 1, left: [kept] });
    expect(await overEtcd(prefix, "reseed --finish")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("Finished: 0 units"),
    });
    await registry.guard.verify();
    expect(registry.guard.reseeding).toBe(false);
    expect(await overEtcd(prefix, "reseed --finish")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("there is nothing to be seeded anew"),
    });
    expect(await overEtcd(prefix, `submit ${here.directory}/hello.service`)).toMatchObject({ code: 0 });
    await registration.leave();
  });

  test("units are imported into it", async () => {
    here.fleet.add("web@.service", options(), "inactive");
    here.fleet.add("web@1.service", options(), "launched");
    expect(await overEtcd(prefix, `import --from=${here.endpoint} --yes`)).toMatchObject({ code: 0 });
    expect(await overEtcd(prefix, "list-unit-files --no-legend --fields=unit,dstate")).toMatchObject({
      stdout: "web@.service\tinactive\nweb@1.service\tlaunched\n",
    });
  });

  test("what a daemon refuses is refused", async () => {
    await here.file("a@.service");
    expect(await overEtcd(prefix, `start ${here.directory}/a@.service`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot activate template "a@.service"'),
    });
  });

  test("a member that is away, or silent, is passed over", async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const silent = await silence();
    for (const others of [away, silent.endpoint, `${away},${silent.endpoint}`]) {
      for (let attempt = 0; attempt < 3; attempt += 1) {
        expect(await overEtcd(prefix, "list-machines", `${others},${etcd.endpoint}`)).toMatchObject({
          code: 0,
          stderr: "",
        });
      }
    }
    silent.close();
  });
});

test("nothing is created where there is no cluster", async () => {
  const outcome = await overEtcd("/nowhere/", "list-units");
  expect(outcome).toMatchObject({ code: 1, stdout: "" });
  expect(outcome.stderr.split("\n")[0]).toBe(
    `no fleet cluster below /nowhere/ in etcd at ${etcd.endpoint}: is the prefix right, has a fleetd ever run?`,
  );
  expect(await keysBelow("/nowhere/")).toEqual([]);
});

describe("an etcd that cannot be used", () => {
  test("is named when nothing listens there", async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const outcome = await overEtcd("/x/", "list-units", endpoint);
    expect(outcome).toMatchObject({ code: 1, stdout: "" });
    expect(outcome.stderr.split("\n")[0]).toMatch(new RegExp(`^Unable to reach etcd at ${endpoint}: `));
    // Once is enough.
    expect(outcome.stderr.split(`etcd at ${endpoint}: `)).toHaveLength(2);
  });

  test("is named apart from the others of the cluster", async () => {
    const endpoints = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const { stderr } = await overEtcd("/x/", "list-units", endpoints.join(","));
    expect(stderr).toMatch(
      new RegExp(`^Unable to reach etcd at ${endpoints.join(", ")}: etcd at (${endpoints.join("|")}): `),
    );
  });

  test("is named within the request timeout when it is silent", async () => {
    const silent = await silence();
    const startedMs = performance.now();
    const outcome = await fleetctl(silent.endpoint, ["--driver=etcd", "--request-timeout=0.5", "list-units"]);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr.split("\n")[0]).toMatch(
      new RegExp(`^Unable to reach etcd at ${silent.endpoint}: `),
    );
    silent.close();
  });

  test("is given up within the request timeout however many members it has", async () => {
    const silent = await Promise.all(Array.from({ length: 8 }, silence));
    const endpoints = silent.map(({ endpoint }) => endpoint).join(",");
    const startedMs = performance.now();
    const outcome = await fleetctl(endpoints, ["--driver=etcd", "--request-timeout=2", "list-units"]);
    // 16 s if each of them had the whole time.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(outcome.code).toBe(1);
    for (const { close } of silent) close();
  });

  test.each([
    ["an endpoint that is no etcd's", ["--endpoint=unix:///var/run/fleet.sock"], "names etcd's members"],
    ["a tunnel", ["--tunnel=core.example"], "--tunnel"],
    ["a user without password", ["--etcd-username=root"], "belong together"],
    ["a prefix with a blank", ["--etcd-key-prefix=a b"], "it holds a blank"],
    [
      "a certificate without key",
      ["--endpoint=https://127.0.0.1:1", "--cert-file=/dev/null"],
      "belong together",
    ],
    [
      "a certificate without authority",
      ["--endpoint=https://127.0.0.1:1", "--cert-file=/dev/null", "--key-file=/dev/null"],
      "needs --ca-file",
    ],
    [
      "an authority that is not there",
      ["--endpoint=https://127.0.0.1:1", "--etcd-cafile=/nope"],
      "--etcd-cafile",
    ],
  ])("by %s is refused", async (_, flags, message) => {
    const outcome = await fleetctl("http://127.0.0.1:1", ["--driver=etcd", ...flags, "list-units"]);
    expect(outcome).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(message) });
  });
});

test("TLS, by either name of its flags", async () => {
  const files = await certificates(etcd.directory);
  const secured = await RealEtcd.start(files);
  const pem = (file: string) => readFileSync(file);
  const store = secured.client({ ca: pem(files.ca), cert: pem(files.cert), key: pem(files.key) });
  try {
    await answering(store);
    await founded(store, "/_coreos.com/fleet/");
    const { ca, cert, key } = files;
    for (const flags of [
      [`--ca-file=${ca}`, `--cert-file=${cert}`, `--key-file=${key}`],
      [`--etcd-cafile=${ca}`, `--etcd-certfile=${cert}`, `--etcd-keyfile=${key}`],
    ]) {
      const outcome = await fleetctl(secured.endpoint, [
        "--driver=etcd",
        ...flags,
        "list-units",
        "--no-legend",
      ]);
      expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
    }
    const untrusted = await fleetctl(secured.endpoint, ["--driver=etcd", "list-units"]);
    expect(untrusted).toMatchObject({ code: 1, stdout: "" });
    expect(untrusted.stderr).toMatch(new RegExp(`^Unable to use etcd at ${secured.endpoint}: .*certificate`));
  } finally {
    store.close();
    await secured.stop();
  }
});

test("a user of etcd", async () => {
  const guarded = await RealEtcd.start();
  const store = guarded.client();
  try {
    await answering(store);
    await founded(store, "/_coreos.com/fleet/");
    const etcdctl = (line: string) => run("etcdctl", ["--endpoints", guarded.endpoint, ...line.split(" ")]);
    for (const line of ["user add root:secret", "user grant-role root root", "auth enable"])
      await etcdctl(line);
    const as = (...flags: string[]) => fleetctl(guarded.endpoint, ["--driver=etcd", ...flags, "list-units"]);
    expect(await as("--etcd-username=root", "--etcd-password=secret")).toMatchObject({ code: 0, stderr: "" });
    for (const flags of [[], ["--etcd-username=root", "--etcd-password=wrong"]]) {
      expect(await as(...flags)).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringMatching(/^Unable to use etcd at /),
      });
    }
  } finally {
    store.close();
    await guarded.stop();
  }
});

/** Takes connections and says nothing, as a member does whose machine hangs. */
async function silence(): Promise<{ readonly endpoint: string; close(): void }> {
  const taken = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => {
    taken.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    close: () => {
      for (const socket of taken) socket.destroy();
      server.close();
    },
  };
}
