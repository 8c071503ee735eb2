import { execFile } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fleetctl, type Outcome } from "./command-line.ts";
import { options, sleeper, useFleetShell } from "./fleet-shell.ts";
import { OneMachineCluster } from "./one-machine-cluster.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";

const other = "[Service]\nExecStart=/bin/sleep 1\n";
const invalid = `${sleeper}[X-Fleet]\nGlobal=true\nMachineOf=a.service\n`;

const old = useFleetShell();
let here: OneMachineCluster;

beforeEach(async () => {
  here = await OneMachineCluster.start();
});

afterEach(() => here.close());

function into(line: string): Promise<Outcome> {
  return fleetctl(here.endpoint, line.split(" "));
}

function fromOld(line: string): Promise<Outcome> {
  return into(`import --from=${old.endpoint} ${line}`.trim());
}

/** Units here: name to target state. */
async function unitsHere(): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await into("list-unit-files --no-legend --fields=unit,dstate");
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(/\t+/)),
  );
}

describe("from a fleet 1.0", () => {
  beforeEach(() => {
    old.fleet.add("web@.service", options(), "inactive");
    old.fleet.add("web@1.service", options(), "launched");
    old.fleet.add("db.service", options(), "loaded");
  });

  test("shows what it would do, and does nothing", async () => {
    const outcome = await fromOld("");
    expect(outcome).toMatchObject({
      code: 0,
      stdout:
        "UNIT\t\tCONTENT\tTARGET\n" +
        "db.service\tcreate\tloaded\n" +
        "web@.service\tcreate\tinactive\n" +
        "web@1.service\tcreate\tlaunched\n",
    });
    expect(outcome.stderr).toContain("3 units: 3 to create\nNothing has been changed: add --yes to do it.\n");
    expect(outcome.stderr).toContain(
      "WARNING: launched here, and STILL RUNNING IN THE OLD CLUSTER until stopped there: web@1.service\n",
    );
    expect(await unitsHere()).toEqual({});
  });

  test("does it with --yes, changes nothing there, and has nothing left to do then", async () => {
    expect(await fromOld("--yes")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("3 units written, 2 target states changed"),
    });
    expect(await unitsHere()).toEqual({
      "db.service": "loaded",
      "web@.service": "inactive",
      "web@1.service": "launched",
    });
    expect(await fromOld("--yes")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("0 units written, 0 target states changed"),
    });
    expect(old.fleet.requests.filter((request) => !request.startsWith("GET "))).toEqual([]);
  });

  test("asks for nothing that fleet 1.0 does not have", async () => {
    await fromOld("--yes");
    expect(new Set(old.fleet.requests)).toEqual(new Set(["GET /units", "GET /machines"]));
  });

  test("moves unit by unit: what was started here stays started when it is repeated", async () => {
    await fromOld("--max-state=inactive --yes");
    expect(await unitsHere()).toMatchObject({ "web@1.service": "inactive", "db.service": "inactive" });
    old.fleet.add("web@1.service", options(), "inactive");
    await into("start web@1");
    await fromOld("--max-state=inactive --yes");
    expect(await unitsHere()).toMatchObject({ "web@1.service": "launched", "db.service": "inactive" });
  });

  test("moves all at once, with the states as they were, as the page on moving says", async () => {
    const there = (line: string): Promise<Outcome> => old.shell(line);
    const listed = await there("list-unit-files --no-legend --fields=unit,dstate");
    const having = (state: string): string =>
      listed.stdout
        .split("\n")
        .map((line) => line.split(/\t+/))
        .flatMap(([unit, has]) => (unit !== undefined && has === state ? [unit] : []))
        .join(" ");
    const [launched, loaded] = [having("launched"), having("loaded")];
    await fromOld("--max-state=inactive --yes");
    expect(await there(`unload ${launched} ${loaded}`)).toMatchObject({ code: 0 });
    expect(await into(`load ${loaded}`)).toMatchObject({ code: 0 });
    expect(await into(`start ${launched}`)).toMatchObject({ code: 0 });
    expect(await unitsHere()).toEqual({
      "db.service": "loaded",
      "web@.service": "inactive",
      "web@1.service": "launched",
    });
    expect([...old.fleet.units.values()].map(({ desiredState }) => desiredState)).toEqual([
      "inactive",
      "inactive",
      "inactive",
    ]);
  });

  test("goes on where an interrupted one ended", async () => {
    await old.file("db.service");
    await into(`submit ${join(old.directory, "db.service")}`);
    await fromOld("--yes");
    expect(await unitsHere()).toMatchObject({ "db.service": "loaded", "web@1.service": "launched" });
  });

  test("takes the units that patterns choose", async () => {
    await fromOld("--yes web@* nothing*");
    expect(Object.keys(await unitsHere())).toEqual(["web@.service", "web@1.service"]);
  });

  test("says which patterns and names chose nothing, and goes on with the others", async () => {
    const { code, stderr } = await fromOld("--yes db wbe* dbb");
    expect(code).toBe(0);
    expect(stderr).toContain(
      `No unit in ${old.endpoint} matches "wbe*"\nNo unit in ${old.endpoint} matches "dbb"\n`,
    );
    expect(Object.keys(await unitsHere())).toEqual(["db.service"]);
  });

  test.each(["wbe* --yes", "--yes dbb", "wbe*"])("fails when nothing was chosen at all: %s", async (line) => {
    const what = line.includes("dbb") ? "dbb" : "wbe*";
    expect(await fromOld(line)).toEqual({
      code: 1,
      stdout: "",
      stderr: `No unit in ${old.endpoint} matches "${what}"\n`,
    });
  });

  test("leaves other content here alone, and replaces it when asked for", async () => {
    await old.file("db.service", other);
    await into(`submit ${join(old.directory, "db.service")}`);
    const kept = await fromOld("--yes db");
    expect(kept).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("db.service\tdiffers\tinactive\n"),
    });
    expect(kept.stderr).toContain("WARNING: Unit db.service has other content here: it is left as it is.");
    expect(await into("cat db")).toMatchObject({ stdout: other });
    expect(await fromOld("--yes --replace db")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("db.service\treplace\tinactive -> loaded\n"),
    });
    expect(await into("cat db")).toMatchObject({ stdout: sleeper });
    expect(await unitsHere()).toEqual({ "db.service": "loaded" });
  });

  test("takes the others where one is refused, and exits with 1", async () => {
    old.fleet.add("bad.service", options(invalid), "launched");
    expect(await fromOld("")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("bad.service\trefused\t-\n"),
    });
    expect(await fromOld("--yes")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Unit bad.service is refused: Global cannot be used with Peers"),
    });
    expect(Object.keys(await unitsHere())).toEqual(["db.service", "web@.service", "web@1.service"]);
  });

  test("tells of machines' metadata that is not taken over", async () => {
    old.fleet.machine.metadata.region = "europe";
    const { stderr } = await fromOld("");
    expect(stderr).toContain("Not taken over: machines and their metadata");
    expect(stderr).toContain(
      "machine 0acdd9bf00000000000000000000abcd: there private-ip=172.17.8.103,region=europe, here region=china\n",
    );
    old.fleet.machine.id = "ffff0000000000000000000000000000";
    expect((await fromOld("")).stderr).toContain(
      "machine ffff0000000000000000000000000000: there private-ip=172.17.8.103,region=europe, not here\n",
    );
  });

  test("gives the plan, and what became of it, as JSON", async () => {
    const dry = await fromOld("--json web@1");
    expect(JSON.parse(dry.stdout)).toMatchObject({
      from: old.endpoint,
      units: [{ name: "web@1.service", content: "create", there: "launched", wanted: "launched" }],
      runningInBoth: ["web@1.service"],
      applied: null,
    });
    expect(dry.stderr).toBe("");
    expect(JSON.parse((await fromOld("--json --yes web@1")).stdout)).toMatchObject({
      applied: { written: 1, raised: 1, refused: [] },
    });
  });

  test("reads pages, empty ones among them", async () => {
    const paged = new ScriptedFleet();
    paged.pageSize = 2;
    const endpoint = await paged.listen();
    for (let unit = 0; unit < 6; unit += 1) paged.add(`u${unit}.service`, options(), "inactive");
    expect(await into(`import --from=${endpoint} --yes`)).toMatchObject({ code: 0 });
    await paged.close();
    expect(Object.keys(await unitsHere())).toHaveLength(6);
  });
});

test("a fleet 1.0 without units has nothing to import", async () => {
  expect(await fromOld("")).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringContaining("0 units: nothing to do"),
  });
});

test("of several endpoints the next is tried, and named", async () => {
  old.fleet.add("a.service", options(), "inactive");
  const { code, stdout, stderr } = await into(`import --from=http://127.0.0.1:1,${old.endpoint}`);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: "UNIT\t\tCONTENT\tTARGET\na.service\tcreate\tinactive\n",
  });
  expect(stderr).toContain(`WARNING: http://127.0.0.1:1 cannot be reached`);
});

test("a fleet that cannot be reached is named, with how to name another", async () => {
  const { code, stderr } = await into("import --from=http://127.0.0.1:1");
  expect(code).toBe(1);
  expect(stderr).toContain("Error reading the cluster at http://127.0.0.1:1: ");
  expect(stderr).toContain("Another daemon is chosen with --from, e.g. --from=http://10.0.2.15:49153\n");
  expect(stderr).not.toContain("--endpoint");
});

test("a fleet that does not answer is named", async () => {
  old.fleet.etcdAway = true;
  const { code, stderr } = await fromOld("--yes");
  expect(code).toBe(1);
  expect(stderr).toContain(
    `Error reading the cluster at ${old.endpoint}: fleet server unable to communicate with etcd`,
  );
});

describe("from a directory", () => {
  function fromDirectory(line: string): Promise<Outcome> {
    return into(`import --from=${old.directory} ${line}`.trim());
  }

  test("takes unit files and symlinked instances, and nothing else", async () => {
    await old.file("web@.service");
    await symlink("web@.service", join(old.directory, "web@1.service"));
    await symlink("gone@.service", join(old.directory, "gone@1.service"));
    await old.file("README.md", "not a unit\n");
    await mkdir(join(old.directory, "more.service"));
    // Reading it would wait for somebody to write into it.
    await promisify(execFile)("mkfifo", [join(old.directory, "pipe.service")]);
    await old.file("broken.service", "[Service]\nnonsense\n");
    const outcome = await fromDirectory("--yes --state=launched");
    expect(outcome).toMatchObject({
      code: 1,
      stdout:
        "UNIT\t\tCONTENT\tTARGET\n" +
        "broken.service\trefused\t-\n" +
        "gone@1.service\trefused\t-\n" +
        "web@.service\tcreate\tinactive\n" +
        "web@1.service\tcreate\tlaunched\n",
    });
    expect(outcome.stderr).toContain(
      "README.md is no unit: skipped\nmore.service is no unit: skipped\npipe.service is no unit: skipped\n",
    );
    expect(outcome.stderr).toContain("gone@1.service leads nowhere");
    expect(outcome.stderr).not.toContain("OLD CLUSTER");
    expect(await unitsHere()).toEqual({ "web@.service": "inactive", "web@1.service": "launched" });
  });

  test("leaves units inactive unless told otherwise", async () => {
    await old.file("a.service");
    await fromDirectory("--yes");
    expect(await unitsHere()).toEqual({ "a.service": "inactive" });
  });
});

test.each([
  ["import", 2, "import needs --from"],
  ["import --from=/no/such/directory", 1, "no such file or directory"],
  ["import --from=unix://var/run/fleet.sock", 1, "three slashes"],
  ["import --from=http://127.0.0.1:1 --state=loaded", 2, "--state is for a directory"],
  ["import --from=http://127.0.0.1:1 --max-state=running", 2, "expected one of inactive, loaded, launched"],
])("%s exits with %i", async (line, code, message) => {
  expect(await into(line)).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(message) });
});
