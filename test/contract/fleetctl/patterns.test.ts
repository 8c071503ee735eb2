import { describe, expect, it } from "vitest";
import { fleetctl } from "./command-line.ts";
import { legend, options, sleeper, useFleetShell } from "./fleet-shell.ts";

const here = useFleetShell();
const { shell } = here;

/** Templates, instances and others, in several states. */
function fill(): void {
  here.fleet.add("apache@.service", options(), "inactive");
  here.fleet.add("apache@1.service", options(), "launched");
  here.fleet.add("apache@2.service", options(), "launched");
  here.fleet.add("apache@3.service", options(), "inactive");
  here.fleet.add("db.service", options(), "loaded");
}

function targets(): Record<string, string> {
  return Object.fromEntries([...here.fleet.units.values()].map((unit) => [unit.name, unit.desiredState]));
}

const asked = (): readonly string[] => here.fleet.requests.filter((request) => request.startsWith("GET"));

describe("a pattern", () => {
  it("starts what the cluster has, templates apart", async () => {
    fill();
    expect((await shell("start apache@*")).stdout).toBe(
      ["1", "2", "3"].map((n) => `Unit apache@${n}.service launched on ${legend}\n`).join(""),
    );
    expect(targets()).toMatchObject({ "apache@.service": "inactive", "apache@3.service": "launched" });
  });

  it("stops what is on a machine", async () => {
    fill();
    expect(await shell("stop apache@*")).toEqual({
      code: 0,
      stdout: `Unit apache@1.service loaded on ${legend}\nUnit apache@2.service loaded on ${legend}\n`,
      stderr: "Successfully stopped units [apache@1.service apache@2.service].\n",
    });
    expect(targets()).toMatchObject({ "apache@3.service": "inactive", "db.service": "loaded" });
  });

  it("unloads, and stands beside names, with a unit named twice taken once", async () => {
    fill();
    const { stderr } = await shell("unload db apache@[12] apache@1.service");
    expect(stderr).toBe("Successfully unloaded units [db.service apache@1.service apache@2.service].\n");
  });

  it("unloads only what is not inactive, one that waits for a machine included", async () => {
    fill();
    here.fleet.add("waits.service", options(`${sleeper}[X-Fleet]\nMachineMetadata=rack=none\n`), "launched");
    const units = "apache@1.service apache@2.service db.service waits.service";
    expect((await shell("unload *")).stderr).toBe(`Successfully unloaded units [${units}].\n`);
    expect(await shell("unload apache@*")).toEqual({
      code: 1,
      stdout: "",
      stderr: '"apache@*" matches only units that this command cannot act on (4)\n',
    });
    expect(await shell("unload apache@3")).toMatchObject({
      code: 0,
      stderr: "Successfully unloaded units [apache@3.service].\n",
    });
  });

  it("shows the one unit that it matches, and says which when there are several", async () => {
    fill();
    expect((await shell("cat d*")).stdout).toBe(sleeper);
    expect(await shell("cat apache@[12]")).toEqual({
      code: 1,
      stdout: "",
      stderr: "One unit file must be provided: apache@[12] matches apache@1.service, apache@2.service\n",
    });
  });

  it("takes one listing of the cluster, and none without a pattern", async () => {
    fill();
    await shell("stop --no-block apache@1 apache@2");
    expect(asked()).not.toContain("GET /units");
    here.fleet.requests.length = 0;
    await shell("stop --no-block apache@* d*");
    expect(asked()).toEqual(["GET /units"]);
  });

  it("is a file when there is one of that path", async () => {
    await here.file("apache@[1].service");
    expect(await shell("start ./apache@[1].service")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('invalid unit name "apache@[1].service"'),
    });
  });

  it("stands for units of the cluster: files of their names are nothing to it, unless they are to replace them", async () => {
    fill();
    await here.file("apache@.service", "[Service]\nExecStart=/bin/other\n");
    const former = process.cwd();
    try {
      process.chdir(here.directory);
      expect((await shell("start apache@[12]")).stderr).toBe("");
      const { stderr } = await shell("start apache@[12] apache@1");
      expect(stderr).toContain("WARNING: Unit apache@1.service in registry differs from local template");
      expect(stderr).not.toContain("apache@2");
      await shell("start --replace apache@3*");
      expect(here.fleet.units.get("apache@3.service")?.options).toEqual(
        options("[Service]\nExecStart=/bin/other\n"),
      );
    } finally {
      process.chdir(former);
    }
  });

  it("costs no further look at each unit", async () => {
    fill();
    await shell("load --no-block apache@*");
    expect(asked()).toEqual(["GET /units"]);
  });

  it.each([
    ["stop x*", 'No unit in the cluster matches "x*"\n'],
    ["stop x* y?", 'No unit in the cluster matches "x*"; No unit in the cluster matches "y?"\n'],
    ["stop apache@3*", '"apache@3*" matches only units that this command cannot act on (1)\n'],
    ["start apache@.*", '"apache@.*" matches only units that this command cannot act on (1)\n'],
    ["destroy x*", 'No unit in the cluster matches "x*"\n'],
    ["cat x*", 'No unit in the cluster matches "x*"\n'],
    ["unload ./none/*", "none/*: no such file; a pattern for the units of the cluster has no slash in it\n"],
    ["destroy apache@[", "apache@[: malformed pattern\n"],
    ["stop x* nope", 'No unit in the cluster matches "x*"\nUnits not found in registry\nNothing to do\n'],
  ])("that matches nothing fails: %s", async (line, stderr) => {
    fill();
    const before = targets();
    const outcome = await shell(line);
    expect(outcome).toMatchObject({ code: 1, stdout: "" });
    expect(outcome.stderr).toContain(stderr);
    expect(targets()).toEqual(before);
  });

  it("that matches nothing is said and skipped beside one that matches", async () => {
    fill();
    expect(await shell("stop --no-block x* apache@1")).toEqual({
      code: 0,
      stdout: "Triggered unit apache@1.service stop\n",
      stderr: 'No unit in the cluster matches "x*"\n',
    });
  });
});

describe("destroy with a pattern", () => {
  const matched = "Matched 2 units: apache@1.service apache@2.service\n";

  it("names the units, and does it where nobody can be asked", async () => {
    fill();
    expect(await shell("destroy --no-block apache@[12]")).toEqual({
      code: 0,
      stdout: "Destroyed apache@1.service\nDestroyed apache@2.service\n",
      stderr: matched,
    });
  });

  it.each([
    ["y", true],
    ["Yes ", true],
    ["", false],
    ["n", false],
    ["yesterday", false],
  ])("asks on a terminal: %j", async (answer, done) => {
    fill();
    const questions: string[] = [];
    const ask = async (question: string) => {
      questions.push(question);
      return answer;
    };
    const { code, stderr } = await fleetctl(here.endpoint, ["destroy", "--no-block", "apache@[12]"], { ask });
    expect(questions).toEqual(["Destroy 2 units? [y/N] "]);
    expect([code, stderr]).toEqual(done ? [0, matched] : [1, `${matched}Nothing was destroyed\n`]);
    expect(here.fleet.units.has("apache@1.service")).toBe(!done);
  });

  it("asks neither with --yes nor for units that are named", async () => {
    fill();
    const ask = () => Promise.reject(new Error("asked"));
    expect(await fleetctl(here.endpoint, ["destroy", "-y", "apache@1*"], { ask })).toMatchObject({ code: 0 });
    expect(await fleetctl(here.endpoint, ["destroy", "apache@2", "db"], { ask })).toMatchObject({ code: 0 });
  });
});

describe("a name that nothing has", () => {
  it.each([
    ["cat apach@1", "Unit apach@1.service not found\n  Did you mean apache@1.service?\n"],
    ["stop dbb db", "Unit dbb.service not found in registry: skipped\n"],
    ["unload apahce@2", "Units not found in registry\n  Did you mean apache@2.service?\n"],
    [
      "destroy apahce@2 apach@1",
      "Units not found in registry\n  apahce@2.service: Did you mean apache@2.service?\n  apach@1.service: Did you mean apache@1.service?\n",
    ],
    [
      "start hello.service",
      "Error creating units: unable to find Unit(hello.service) in Registry or on filesystem\n",
    ],
    [
      "lits-units",
      'unknown command "lits-units"\n  Did you mean list-units?\nRun "fleetctl help" for usage.\n',
    ],
    [
      "list-units --ful",
      'unknown flag: --ful\n  Did you mean --full?\nRun "fleetctl help list-units" for usage.\n',
    ],
  ])("%s", async (line, stderr) => {
    fill();
    expect((await shell(line)).stderr).toContain(stderr);
  });

  it("costs one listing, however many there are", async () => {
    fill();
    await shell("stop a1 a2 a3");
    expect(asked().filter((request) => request === "GET /units")).toHaveLength(1);
  });

  it("is in the JSON of the error as well", async () => {
    fill();
    const { stderr } = await shell("--json cat apach@1");
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: "failed",
        message: "Unit apach@1.service not found",
        hints: ["Did you mean apache@1.service?"],
      },
    });
  });

  it("is not looked for when the cluster has too many", async () => {
    for (let n = 0; n < 10_001; n++) here.fleet.add(`web-${n}.service`, [], "inactive");
    expect((await shell("cat web-1o")).stderr).toBe("Unit web-1o.service not found\n");
  });
});
