import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseUnitFile, type TargetState } from "@fleet/core";
import { Registry } from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answering, RealEtcd } from "../registry/real-etcd.ts";
import { Remembering } from "../registry/registry-bench.ts";
import { fleetctl, type Outcome } from "./command-line.ts";

const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
const other = "[Service]\nExecStart=/bin/sleep 1\n";
const odd =
  '# a remark\n[Service]\nExecStart=/bin/echo "ä \\u0001" %n\nExecStart=\n\n[X-Fleet]\nGlobal=true\n';

let etcd: RealEtcd;
let directory = "";
let prefixes = 0;
const close: (() => void)[] = [];

beforeAll(async () => {
  etcd = await RealEtcd.start();
  const probe = etcd.client();
  await answering(probe);
  probe.close();
});
afterAll(() => etcd.stop());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleet-backup-"));
});
afterEach(async () => {
  for (const end of close.splice(0)) end();
  await rm(directory, { recursive: true });
});

/** A cluster in etcd, and fleetctl for it: no fleetd is up. */
async function cluster(): Promise<{ registry: Registry; run: (line: string) => Promise<Outcome> }> {
  prefixes += 1;
  const prefix = `/backup/${prefixes}/`;
  const store = etcd.client();
  close.push(() => store.close());
  const registry = new Registry({
    store,
    prefix,
    memory: new Remembering(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  await registry.guard.open(new AbortController().signal);
  const run = (line: string): Promise<Outcome> =>
    fleetctl(etcd.endpoint, ["--driver=etcd", `--etcd-key-prefix=${prefix}`, ...line.split(" ")]);
  return { registry, run };
}

async function put(registry: Registry, name: string, text: string, target: TargetState): Promise<void> {
  const file = parseUnitFile(text);
  if (!file.ok) throw new Error("bad unit file in the test");
  await registry.intents.put({ name, options: file.value, target });
}

const intent = async (text: string): Promise<unknown> => {
  const { units, files, metadata } = JSON.parse(text);
  return { units, files, metadata };
};

describe("backup and restore", () => {
  test("bring everything that is wanted of a cluster into an empty one, and change nothing the second time", async () => {
    const there = await cluster();
    await put(there.registry, "a.service", sleeper, "launched");
    await put(there.registry, "b.service", odd, "loaded");
    await put(there.registry, "c.service", sleeper, "inactive");
    await put(there.registry, "t@.service", other, "inactive");
    await there.registry.metadata.apply([
      { machineId: "m1", key: "role", value: "db" },
      { machineId: "m1", key: "old", value: undefined },
    ]);
    const file = join(directory, "fleet.json");
    const written = await there.run(`backup ${file}`);
    expect(written).toMatchObject({ code: 0, stdout: "" });
    expect(written.stderr).toContain("4 units and 2 keys of machine metadata");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["fleet.json"]);
    const kept = await readFile(file, "utf8");
    expect(JSON.parse(kept)).toMatchObject({
      backup: 1,
      cluster: { id: there.registry.guard.clusterId, epoch: 1, format: expect.any(Number) },
      revision: expect.any(Number),
      unreadable: [],
    });
    expect((await there.run("backup")).stdout.replace(/"taken": .*/, "")).toBe(
      kept.replace(/"taken": .*/, ""),
    );

    const here = await cluster();
    const shown = await here.run(`restore ${file}`);
    expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining("4 to create") });
    expect(await here.registry.intents.read("a.service")).toBeUndefined();
    expect(await here.run(`restore ${file} --yes`)).toMatchObject({ code: 0 });
    expect(await intent((await here.run("backup")).stdout)).toEqual(await intent(kept));
    expect((await here.run(`restore ${file} --yes`)).stderr).toContain("0 units written, 0 target states");
  });

  test("restore keeps what differs unless told otherwise, and goes no further than it may", async () => {
    const { registry, run } = await cluster();
    await put(registry, "a.service", sleeper, "launched");
    await put(registry, "b.service", sleeper, "launched");
    const file = join(directory, "fleet.json");
    await run(`backup ${file}`);
    await put(registry, "a.service", other, "inactive");
    await registry.intents.destroy("b.service");
    expect((await run(`restore ${file} --yes --max-state=loaded`)).stderr).toContain(
      "a.service has other content",
    );
    expect(await registry.intents.read("b.service")).toMatchObject({ record: { target: "loaded" } });
    await run(`restore ${file} --yes --replace`);
    expect(await registry.intents.read("a.service")).toMatchObject({
      options: [{ value: "/bin/sleep infinity" }],
      record: { target: "launched" },
    });
  });

  test("metadata alone comes back with --metadata-only", async () => {
    const { registry, run } = await cluster();
    await put(registry, "a.service", sleeper, "inactive");
    await registry.metadata.apply([{ machineId: "m1", key: "role", value: "db" }]);
    const file = join(directory, "fleet.json");
    await run(`backup ${file}`);
    const empty = await cluster();
    expect(await empty.run(`restore ${file} --metadata-only --yes`)).toMatchObject({ code: 0 });
    const { units, metadata } = JSON.parse((await empty.run("backup")).stdout);
    expect({ units, metadata }).toEqual({
      units: [],
      metadata: [{ machineID: "m1", key: "role", value: "db" }],
    });
  });

  test("what cannot be read is left out, named, and no success", async () => {
    const { registry, run } = await cluster();
    await put(registry, "a.service", sleeper, "launched");
    const store = etcd.client();
    close.push(() => store.close());
    const key = `/backup/${prefixes}/units/b.service`;
    await store.txn({ compares: [], success: [{ op: "put", key, value: "garbage" }] });
    const outcome = await run("backup");
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining(`${key} cannot be read`) });
    expect(JSON.parse(outcome.stdout).units).toHaveLength(1);
  });

  test.each([
    ["no file", undefined, "ENOENT"],
    ["no JSON", "units", "not valid JSON"],
    ["something else", "{}", "no backup of a fleet cluster"],
    ["a backup of a later version", '{"backup":2}', "version 2, version 1 is read"],
  ])("restore refuses %s", async (_, text, why) => {
    const { run } = await cluster();
    const file = join(directory, "given.json");
    if (text !== undefined) await writeFile(file, text);
    expect(await run(`restore ${file} --yes`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(why),
    });
  });

  test("a failing write leaves the old file, and no other", async () => {
    const { run } = await cluster();
    expect(await run(`backup ${join(directory, "none", "fleet.json")}`)).toMatchObject({ code: 1 });
    expect(await readdir(directory)).toEqual([]);
  });
});
