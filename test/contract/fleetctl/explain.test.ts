import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fleetctl, type Outcome } from "./command-line.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";
import { WholeCluster } from "./whole-cluster.ts";

const machine = "0acdd9bf...";
const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
const choosy = `${sleeper}\n[X-Fleet]\nMachineMetadata=region=eu\n`;
const waits = "choosy.service waits for a machine: the only machine lacks region=eu.";
const nearest = `nearest: ${machine}, which lacks region=eu`;
const help = `would help: set the metadata region=eu on ${machine}, or add a machine that has it`;

let cluster: WholeCluster;
let directory: string;

beforeEach(async () => {
  cluster = await WholeCluster.start();
  directory = await mkdtemp(join(tmpdir(), "fleetctl-explain-"));
});

afterEach(async () => {
  await cluster.close();
  await rm(directory, { recursive: true });
});

const shell = (...args: readonly string[]): Promise<Outcome> => fleetctl(cluster.endpoint, args);

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

/** A unit that no machine may run. */
async function submitChoosy(): Promise<void> {
  await shell("start", "--no-block", await file("choosy.service", choosy));
}

async function submitChoosyTemplate(): Promise<void> {
  await shell("submit", await file("many@.service", choosy));
}

describe("explain", () => {
  it("says why units are where they are, and what keeps others off the machines", async () => {
    await cluster.put("a.service", sleeper, "launched");
    await submitChoosy();
    expect(await shell("explain", "a", "choosy")).toEqual({
      code: 0,
      stdout: [
        `a.service is on ${machine}, the only machine that may run it.`,
        "",
        waits,
        `  1 lacks region=eu: ${machine}`,
        `  ${nearest}`,
        `  ${help}`,
        "",
      ].join("\n"),
      stderr: "",
    });
  });

  it("takes patterns, and prints one JSON list for programs", async () => {
    await cluster.put("a@1.service", sleeper, "launched");
    await cluster.put("a@2.service", sleeper, "inactive");
    const { code, stdout } = await shell("explain", "--json", "a@*");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { unit: "a@1.service", verdict: "placed" },
      { unit: "a@2.service", verdict: "inactive" },
    ]);
  });

  it("names units that there are not", async () => {
    await cluster.put("a.service", sleeper, "inactive");
    expect(await shell("explain", "none", "a")).toMatchObject({
      code: 0,
      stdout: "a.service is not to run: its target state is inactive.\n",
      stderr: expect.stringContaining("Unit none.service not found in registry: skipped\n"),
    });
  });
});

describe("plan", () => {
  it("shows where units would go, and leaves everything as it is", async () => {
    const path = await file("new.service", sleeper);
    expect(await shell("plan", path)).toEqual({
      code: 0,
      stdout:
        "ACTION\tUNIT\t\tFROM\tTO\t\tWHY\n" +
        `start\tnew.service\t-\t${machine}\tstarts on ${machine}, the one with the fewest units (0) of those that may run it\n`,
      stderr: "",
    });
    expect((await shell("list-unit-files", "--no-legend")).stdout).toBe("");
  });

  it("exits 1 when a unit would wait, and says why", async () => {
    await cluster.put("a.service", sleeper, "launched");
    const outcome = await shell("plan", "--drain=0acd", await file("choosy.service", choosy));
    expect(outcome).toEqual({
      code: 1,
      stdout: [
        "ACTION\tUNIT\t\tFROM\t\tTO\tWHY",
        `stop\ta.service\t${machine}\t-\tstops on ${machine}: the machine is leaving; it then waits for a machine`,
        "",
        "a.service waits for a machine: the only machine is leaving.",
        "",
        "choosy.service waits for a machine: the only machine is leaving.",
        "",
      ].join("\n"),
      stderr: "",
    });
    expect((await shell("list-units", "--no-legend", "--fields=unit,active")).stdout).toBe(
      "a.service\tactive\n",
    );
  });

  it("knows instances of templates, lost machines, another target, and JSON", async () => {
    await shell("submit", await file("t@.service", sleeper));
    await cluster.put("a.service", sleeper, "launched");
    const loaded = JSON.parse((await shell("plan", "--json", "--target=loaded", "t@1")).stdout);
    expect(loaded).toMatchObject({ steps: [{ action: "load", unit: "t@1.service" }], waiting: [] });
    const lost = await shell("plan", "--json", "--without=10.0.2.15", "t@1");
    expect(lost.code).toBe(1);
    expect(JSON.parse(lost.stdout)).toMatchObject({
      steps: [{ action: "stop", unit: "a.service", reason: "machine_gone" }],
      waiting: [{ unit: "a.service", summary: "a.service waits for a machine: none is present." }, {}],
    });
  });

  it("supposes a local file that differs from the cluster's only with --replace", async () => {
    await cluster.put("a.service", sleeper, "launched");
    const path = await file("a.service", sleeper.replace("infinity", "1000"));
    expect(await shell("plan", path)).toMatchObject({ code: 0, stdout: "Nothing would change.\n" });
    const { stdout } = await shell("plan", "--json", "--replace", path);
    expect(JSON.parse(stdout)).toMatchObject({ steps: [{ action: "update", unit: "a.service" }] });
  });

  it("says that nothing would change, and what it cannot plan", async () => {
    await cluster.put("a.service", sleeper, "launched");
    expect(await shell("plan", "a")).toEqual({ code: 0, stdout: "Nothing would change.\n", stderr: "" });
    expect(await shell("plan")).toMatchObject({ code: 2, stdout: "" });
    expect(await shell("plan", "--drain=ffff")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('machine "ffff" does not exist'),
    });
    expect(await shell("plan", "none")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("unable to find Unit(none.service) in Registry or on filesystem"),
    });
  });
});

describe("start", () => {
  it("says within a second why no machine may run a unit, and goes on waiting", async () => {
    const path = await file("choosy.service", choosy);
    const begunMs = performance.now();
    let saidMs = Number.POSITIVE_INFINITY;
    const outcome = await fleetctl(cluster.endpoint, ["start", "--block-attempts=4", path], {
      heard: (text) => {
        if (text.includes(waits)) saidMs = performance.now() - begunMs;
      },
    });
    // Asked for after 400 ms, as the tests of goals show; the rest is for a busy host.
    expect(saidMs).toBeLessThan(2_000);
    expect(outcome).toEqual({
      code: 1,
      stdout: "Unit choosy.service inactive\n",
      stderr: [
        "Unit choosy.service is not placed yet: waiting for a machine that may run it.",
        `  ${waits}`,
        `  ${nearest}`,
        `  ${help}`,
        "Error waiting for units: timed out waiting for unit choosy.service to report state launched",
        "",
      ].join("\n"),
    });
  });

  it("tells of many units only that they wait, and of ten of them why", async () => {
    await submitChoosyTemplate();
    const names = Array.from({ length: 14 }, (_, index) => `many@${index}`);
    const { stderr } = await shell("start", "--block-attempts=2", ...names);
    const lines = stderr.split("\n");
    expect(lines.filter((line) => line.includes("is not placed yet"))).toHaveLength(14);
    expect(lines.filter((line) => line.includes("the only machine lacks region=eu."))).toHaveLength(10);
    expect(lines.filter((line) => line.includes("fleetctl explain UNIT"))).toHaveLength(1);
  });

  it("fails at once when told to, and the unit stays wanted", async () => {
    const path = await file("choosy.service", choosy);
    const { code, stderr } = await shell("start", "--if-unplaceable=fail", path);
    expect(code).toBe(1);
    expect(stderr).toContain(waits);
    expect(stderr).toContain("Error waiting for units: no machine may run unit choosy.service\n");
    expect((await shell("list-unit-files", "--no-legend", "--fields=dstate")).stdout).toBe("launched\n");
  });
});

describe("against fleet 1.0", () => {
  let fleet: ScriptedFleet;
  let endpoint: string;
  beforeEach(async () => {
    fleet = new ScriptedFleet();
    endpoint = await fleet.listen();
    fleet.add("a.service", [{ section: "Service", name: "ExecStart", value: "/bin/true" }], "launched");
  });
  afterEach(() => fleet.close());

  it.each([
    [["explain", "a"], "this server has fleet 1.0's API, which does not tell why a unit waits"],
    [["plan", "a"], "this server has fleet 1.0's API, which plans nothing ahead"],
  ])("%j says that it does not tell", async (args, text) => {
    expect(await fleetctl(endpoint, args)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining(text),
    });
  });
});
