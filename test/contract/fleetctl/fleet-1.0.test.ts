import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseUnitFile, type UnitOption, unitHash } from "@fleet/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acceleratedClock, fleetctl, type Outcome } from "./command-line.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";

const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
const hello = fileURLToPath(new URL("../../fixtures/coreos-units/hello.service", import.meta.url));
const legend = "0acdd9bf.../10.0.2.15";

let fleet: ScriptedFleet;
let endpoint: string;
let directory: string;

beforeEach(async () => {
  fleet = new ScriptedFleet();
  endpoint = await fleet.listen();
  directory = await mkdtemp(join(tmpdir(), "fleetctl-"));
});

afterEach(async () => {
  await fleet.close();
  await rm(directory, { recursive: true });
});

/** Runs a command line; its words are split at blanks, `./` stands for the test's directory. */
function shell(line: string): Promise<Outcome> {
  const args = line.split(" ").map((word) => (word.startsWith("./") ? join(directory, word) : word));
  return fleetctl(endpoint, args, { clock: acceleratedClock(5) });
}

async function file(name: string, text = sleeper): Promise<void> {
  await writeFile(join(directory, name), text);
}

function options(text = sleeper): readonly UnitOption[] {
  const parsed = parseUnitFile(text);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return parsed.value;
}

describe("hello.service as fleet's users know it", () => {
  it("goes through its life with fleet's own lines", async () => {
    await copyFile(hello, join(directory, "hello.service"));
    const stdout = async (line: string): Promise<string> => {
      const outcome = await shell(line);
      expect(outcome.code).toBe(0);
      return outcome.stdout;
    };

    expect(await stdout("submit ./hello.service")).toBe("Unit hello.service inactive\n");
    expect(await stdout("list-unit-files")).toBe(
      "UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\nhello.service\t4bff33d\tinactive\tinactive\t-\n",
    );
    expect(await stdout("load hello.service")).toBe(`Unit hello.service loaded on ${legend}\n`);
    expect(await stdout("list-unit-files --no-legend")).toBe(
      `hello.service\t4bff33d\tloaded\tloaded\t${legend}\n`,
    );
    expect(await stdout("start hello.service")).toBe(`Unit hello.service launched on ${legend}\n`);
    fleet.reports.set("hello.service", [{ active: "activating", sub: "start-pre" }]);
    expect(await stdout("list-units")).toBe(
      `UNIT\t\tMACHINE\t\t\tACTIVE\t\tSUB\nhello.service\t${legend}\tactivating\tstart-pre\n`,
    );
    expect(await stdout("list-machines")).toBe(
      "MACHINE\t\tIP\t\tMETADATA\n0acdd9bf...\t10.0.2.15\tprivate-ip=172.17.8.103,region=china\n",
    );

    expect(await shell("stop hello")).toEqual({
      code: 0,
      stdout: `Unit hello.service loaded on ${legend}\n`,
      stderr: "Successfully stopped units [hello.service].\n",
    });
    expect(await shell("unload hello")).toEqual({
      code: 0,
      stdout: "Unit hello.service inactive\n",
      stderr: "Successfully unloaded units [hello.service].\n",
    });
    expect(await shell("destroy hello")).toEqual({
      code: 0,
      stdout: "Destroyed hello.service\n",
      stderr: "",
    });
    expect(await stdout("list-unit-files --no-legend")).toBe("");
    expect(await stdout("list-units --no-legend")).toBe("");
  });

  it("is shown by cat as it was submitted, nothing added", async () => {
    await file(
      "a.service",
      "# comment\n[Unit]\nDescription= a\n\n[Service]\nExecStart=/bin/true\n[Unit]\nAfter=b\n",
    );
    await shell("submit ./a.service");
    const { stdout } = await shell("cat a");
    expect(stdout).toBe("[Unit]\nDescription=a\nAfter=b\n\n[Service]\nExecStart=/bin/true\n");
  });
});

describe("requests", () => {
  it("are those of fleet's own client", async () => {
    await file("a.service");
    await shell("start ./a.service");
    const distinct = fleet.requests.filter((request, index, all) => request !== all[index - 1]);
    expect(distinct).toEqual([
      "GET /units/a.service",
      "PUT /units/a.service",
      "GET /watch",
      "GET /units/a.service",
      "GET /machines",
      "GET /state/a.service",
    ]);
  });

  it("ask for the template of an instance", async () => {
    fleet.add("t@.service", options(), "inactive");
    await shell("start --no-block t@2.service");
    expect(fleet.requests).toEqual([
      "GET /units/t@2.service",
      "GET /units/t@.service",
      "PUT /units/t@2.service",
      "PUT /units/t@2.service",
    ]);
  });
});

describe("start", () => {
  it("submits what is missing and reports it inactive first", async () => {
    await file("a.service");
    const outcome = await shell("start ./a.service");
    const stdout = `Unit a.service inactive\nUnit a.service launched on ${legend}\n`;
    expect(outcome).toEqual({ code: 0, stdout, stderr: "" });
  });

  it("exits 0 for a unit that still activates after 2 s, naming its sub state", async () => {
    fleet.add("a.service", options(), "loaded");
    fleet.reports.set("a.service", [{ active: "activating", sub: "start-pre" }]);
    expect(await shell("start a")).toEqual({
      code: 0,
      stdout: `Unit a.service launched on ${legend}\n`,
      stderr: "Unit a.service is still activating (start-pre).\n",
    });
  });

  it("exits 1 for a unit that fails", async () => {
    fleet.add("a.service", options(), "loaded");
    fleet.reports.set("a.service", [
      { active: "activating", sub: "start-pre" },
      { active: "failed", sub: "failed" },
    ]);
    expect(await shell("start a")).toEqual({
      code: 1,
      stdout: `Unit a.service launched on ${legend}\n`,
      stderr:
        "Error waiting for units: unit a.service failed on machine 0acdd9bf...: systemd reports failed (failed)\n",
    });
  });

  it("starts the others when one fails, and exits 1", async () => {
    fleet.add("a.service", options(), "loaded");
    fleet.add("b.service", options(), "loaded");
    fleet.reports.set("a.service", [{ active: "failed", sub: "failed" }]);
    const { code, stdout } = await shell("start a b");
    expect(code).toBe(1);
    expect(stdout).toContain("Unit b.service launched on");
    expect(fleet.units.get("b.service")?.currentState).toBe("launched");
  });

  it("refuses a file without options before anything is sent", async () => {
    await file("a.service", "ExecStart outside of everything\n");
    const { code, stderr } = await shell("start ./a.service");
    expect(code).toBe(1);
    expect(stderr).toContain("invalid unit a.service: its file has no options");
    expect(fleet.units.size).toBe(0);
  });

  it("tells what it waits for, and gives up after --block-attempts polls", async () => {
    fleet.placesNothing = true;
    fleet.add("a.service", options(), "inactive");
    expect(await shell("start --block-attempts=4 a")).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "Unit a.service is not placed yet: waiting for a machine that may run it.\n" +
        "  0acdd9bf...: nothing speaks against it, but no engine has placed it there yet\n" +
        "Error waiting for units: timed out waiting for unit a.service to report state launched\n",
    });
  });

  it("returns at once with --no-block", async () => {
    fleet.placesNothing = true;
    fleet.add("a.service", options(), "inactive");
    const outcome = await shell("start --no-block a");
    expect(outcome).toEqual({ code: 0, stdout: "Triggered unit a.service start\n", stderr: "" });
    expect(fleet.units.get("a.service")?.desiredState).toBe("launched");
  });

  it("does not wait for a global unit", async () => {
    fleet.placesNothing = true;
    await file("g.service", `${sleeper}[X-Fleet]\nGlobal=true\n`);
    const outcome = await shell("start ./g.service");
    const stderr = "Triggered global unit g.service start\n";
    expect(outcome).toEqual({ code: 0, stdout: "Unit g.service inactive\n", stderr });
  });

  it("ends with 130 when interrupted", async () => {
    fleet.placesNothing = true;
    fleet.add("a.service", options(), "inactive");
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 100);
    const { code } = await fleetctl(endpoint, ["start", "a"], { signal: interrupt.signal });
    expect(code).toBe(130);
  });

  it("goes on waiting while etcd is away, and says so", async () => {
    fleet.add("a.service", options(), "inactive");
    fleet.placesNothing = true;
    const starting = shell("start a");
    await until(() => fleet.units.get("a.service")?.desiredState === "launched");
    fleet.etcdAway = true;
    const polls = (): number =>
      fleet.requests.filter((request) => request.endsWith("/units/a.service")).length;
    const before = polls();
    await until(() => polls() > before + 1);
    fleet.etcdAway = false;
    fleet.placesNothing = false;
    const { code, stdout, stderr } = await starting;
    expect(code).toBe(0);
    expect(stdout).toBe(`Unit a.service launched on ${legend}\n`);
    expect(stderr).toContain("unable to communicate with etcd. Trying again.");
  });
});

describe("a unit file", () => {
  it("is looked for by name, without suffix too", async () => {
    expect(await shell("start nope")).toEqual({
      code: 1,
      stdout: "",
      stderr: "Error creating units: unable to find Unit(nope.service) in Registry or on filesystem\n",
    });
  });

  it("of an instance is the template beside the path when the registry has none", async () => {
    await file("t@.service", "[Service]\nExecStart=/bin/sleep 1\n");
    expect((await shell("submit ./t@7.service")).code).toBe(0);
    expect(fleet.units.get("t@7.service")?.options).toEqual(options("[Service]\nExecStart=/bin/sleep 1\n"));
    expect(fleet.units.has("t@.service")).toBe(false);
  });

  it("of an instance is the registry's template, with a warning when the local one differs", async () => {
    await file("t@.service", "[Service]\nExecStart=/bin/sleep 1\n");
    fleet.add("t@.service", options(), "inactive");
    const { stderr } = await shell("submit ./t@7.service");
    expect(fleet.units.get("t@7.service")?.options).toEqual(options());
    expect(stderr).toBe(
      `WARNING: Unit t@.service in registry differs from local template unit file ${directory}/t@.service. Add --replace to override.\n`,
    );
  });

  it("of an instance is its symlink", async () => {
    await file("t@.service");
    await mkdir(join(directory, "instances"));
    await symlink("../t@.service", join(directory, "instances", "t@7.service"));
    expect((await shell("start ./instances/t@7.service")).stdout).toContain("Unit t@7.service launched on");
    expect(fleet.units.get("t@7.service")?.options).toEqual(options());
  });

  it.each([
    ["b.service", "[Service\nExecStart=/bin/true\n", "cannot use unit file"],
    ["b.service", "[Service]\nnonsense\n", "line 2"],
    ["b.service", "[X-Fleet]\nMachineID=abc\nGlobal=true\n", "MachineID cannot be used with Global"],
    ["b c.service", sleeper, 'invalid unit name "b c.service"'],
  ])("%s with %j is refused, and nothing at all is written", async (name, text, reason) => {
    await file("a.service");
    await file(name, text);
    const paths = [join(directory, "a.service"), join(directory, name)];
    const { code, stderr } = await fleetctl(endpoint, ["start", ...paths]);
    expect(code).toBe(1);
    expect(stderr).toContain("Error creating units: ");
    expect(stderr).toContain(reason);
    expect(fleet.requests.filter((request) => request.startsWith("PUT"))).toEqual([]);
  });

  it("with a mistake is refused, naming file and line", async () => {
    await file("a.service", "[Service]\nExecStart=/bin/true\nnonsense\n");
    const { code, stderr } = await shell("submit ./a.service");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error creating units: cannot use unit file \S+\/a\.service: line 3: (?!line)/);
  });

  it("that is no text is refused", async () => {
    await writeFile(join(directory, "a.service"), Uint8Array.of(0x5b, 0xff, 0xfe));
    const { code, stderr } = await shell("submit ./a.service");
    expect([code, stderr]).toEqual([1, expect.stringContaining("it is not UTF-8 text")]);
  });

  it("with an unknown requirement is accepted with a warning", async () => {
    await file("a.service", `${sleeper}[X-Fleet]\nFoo=bar\n`);
    const { code, stderr } = await shell("submit ./a.service");
    expect(code).toBe(0);
    expect(stderr).toContain('unrecognized requirement in [X-Fleet] section: "Foo"');
  });

  it("of a template is submitted, never started", async () => {
    await file("t@.service");
    expect((await shell("submit ./t@.service")).stdout).toBe("Unit t@.service inactive\n");
    const { code, stderr } = await shell("start t@.service");
    expect([code, stderr]).toEqual([1, 'Error creating units: cannot activate template "t@.service"\n']);
  });
});

describe("a local file that differs from the registry's", () => {
  const other = "[Service]\nExecStart=/bin/sleep 1\n";

  it("is left alone with a warning", async () => {
    await file("a.service", other);
    fleet.add("a.service", options(), "loaded");
    const { code, stderr } = await shell("start ./a.service");
    expect(code).toBe(0);
    expect(stderr).toBe(
      `WARNING: Unit a.service in registry differs from local unit file ${directory}/a.service. Add --replace to override.\n`,
    );
    expect(fleet.units.get("a.service")?.options).toEqual(options());
  });

  it.each([
    ["submit", "inactive", "replaced"],
    ["submit", "loaded", "refused"],
    ["submit", "launched", "refused"],
    ["load", "inactive", "replaced"],
    ["load", "loaded", "replaced"],
    ["load", "launched", "refused"],
    ["start", "inactive", "replaced"],
    ["start", "loaded", "replaced"],
    ["start", "launched", "replaced"],
  ] as const)("%s --replace of a unit that is %s: %s", async (verb, state, outcome) => {
    await file("a.service", other);
    fleet.add("a.service", options(), state);
    const { code, stderr } = await shell(`${verb} --replace ./a.service`);
    expect(code).toBe(0);
    const unit = fleet.units.get("a.service");
    if (outcome === "replaced") {
      expect(unit?.options).toEqual(options(other));
      expect(stderr).toBe("");
    } else {
      expect(unit).toMatchObject({ options: options(), desiredState: state });
      expect(stderr).toBe(
        `Warning: can not replace Unit(a.service) in state '${state}', use the appropriate command\n`,
      );
    }
  });

  it("is not replaced when it is the same", async () => {
    await file("a.service", `# a comment changes nothing\n${sleeper}`);
    fleet.add("a.service", options(), "inactive");
    const { stdout } = await shell("submit --replace ./a.service");
    expect(stdout).toBe("Found same Unit(a.service) in Registry, nothing to do\n");
    expect(fleet.requests).toEqual(["GET /units/a.service"]);
  });
});

describe("stop, unload and destroy", () => {
  it("skip unknown units, naming them", async () => {
    fleet.add("a.service", options(), "launched");
    expect(await shell("stop a b")).toEqual({
      code: 0,
      stdout: `Unit a.service loaded on ${legend}\n`,
      stderr: "Unit b.service not found in registry: skipped\nSuccessfully stopped units [a.service].\n",
    });
  });

  it.each(["stop", "unload", "destroy"])("%s exits 0 when no unit is known or given", async (verb) => {
    expect(await shell(`${verb} a b`)).toEqual({
      code: 0,
      stdout: "",
      stderr: "Units not found in registry\n",
    });
    expect(await shell(verb)).toEqual({ code: 0, stdout: "", stderr: "No units given\n" });
  });

  it.each(["stop", "unload", "destroy", "cat"])("%s refuses what can be no unit's name", async (verb) => {
    fleet.add("a.service", options(), "launched");
    const line = verb === "cat" ? "cat a!" : `${verb} a a!`;
    expect(await shell(line)).toEqual({
      code: 1,
      stdout: "",
      stderr: 'invalid unit name "a!.service": invalid character "!" in unit name\n',
    });
    expect(fleet.requests).toEqual([]);
  });

  it("cannot stop an inactive unit, but stop the others", async () => {
    fleet.add("a.service", options(), "inactive");
    fleet.add("b.service", options(), "launched");
    expect(await shell("stop a b")).toEqual({
      code: 1,
      stdout: `Unit b.service loaded on ${legend}\n`,
      stderr: "Unable to stop unit a.service in state inactive\nSuccessfully stopped units [b.service].\n",
    });
    expect(fleet.units.get("a.service")?.desiredState).toBe("inactive");
  });

  it("unload a unit that was never placed", async () => {
    fleet.placesNothing = true;
    fleet.add("a.service", options(), "inactive");
    const unit = fleet.units.get("a.service");
    if (unit !== undefined) unit.desiredState = "launched";
    const { code, stdout } = await shell("unload a");
    expect([code, stdout]).toEqual([0, "Unit a.service inactive\n"]);
    expect(unit?.desiredState).toBe("inactive");
  });

  it("do not claim success with --no-block", async () => {
    fleet.add("a.service", options(), "launched");
    const outcome = await shell("stop --no-block a");
    expect(outcome).toEqual({ code: 0, stdout: "Triggered unit a.service stop\n", stderr: "" });
  });
});

describe("listings", () => {
  it("print the columns asked for, whole with --full", async () => {
    const content = options("[Unit]\nDescription=A\tunit\n");
    const hash = unitHash(content);
    fleet.add("a.service", content, "launched");
    expect((await shell("list-units --fields=unit,load,hash -no-legend")).stdout).toBe(
      `a.service\tloaded\t${hash.slice(0, 7)}\n`,
    );
    expect((await shell("list-units -l --fields machine,hash --no-legend")).stdout).toBe(
      `0acdd9bf00000000000000000000abcd/10.0.2.15\t${hash}\n`,
    );
    expect((await shell("list-unit-files --fields=unit,desc,global,tmachine --no-legend")).stdout).toBe(
      `a.service\tA unit\tfalse\t${legend}\n`,
    );
    expect((await shell("list-machines --full --no-legend --fields=machine")).stdout).toBe(
      "0acdd9bf00000000000000000000abcd\n",
    );
  });

  it.each(["list-machines", "list-units", "list-unit-files"])(
    "%s refuses an unknown column",
    async (verb) => {
      expect(await shell(`${verb} --fields=unit,foo,machine`)).toMatchObject({ code: 1, stdout: "" });
      expect((await shell(`${verb} --fields=foo`)).stderr).toBe('Invalid key in output format: "foo"\n');
      expect((await shell(`${verb} --fields=toString`)).stderr).toBe(
        'Invalid key in output format: "toString"\n',
      );
    },
  );

  it("show a global unit as such", async () => {
    fleet.add("g.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "inactive");
    const { stdout } = await shell("list-unit-files --no-legend --fields=unit,dstate,state,target,global");
    expect(stdout).toBe("g.service\tinactive\t-\tglobal\ttrue\n");
  });

  it("are JSON with --json", async () => {
    fleet.add("a.service", options(), "launched");
    const rows: unknown = JSON.parse((await shell("list-unit-files --json")).stdout);
    expect(rows).toMatchObject([{ name: "a.service", hash: unitHash(options()), currentState: "launched" }]);
    expect(JSON.parse((await shell("--json list-machines")).stdout)).toMatchObject([fleet.machine]);
    expect(JSON.parse((await shell("list-units -json")).stdout)).toMatchObject([
      { name: "a.service", systemdActiveState: "active" },
    ]);
  });
});

describe("failures", () => {
  it("name the daemon's trouble with etcd", async () => {
    fleet.etcdAway = true;
    const { code, stdout, stderr } = await shell("list-machines");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      "Error retrieving list of active machines from fleet API (fleet server unable to communicate with etcd)\n" +
        "  fleetd answers, but cannot reach etcd; units keep running meanwhile.\n" +
        "  Check that etcd is up and that etcd_servers in fleet.conf names it.\n",
    );
  });

  it.each([
    ["list-machines", "Error retrieving list of active machines from fleet API ("],
    ["list-units", "Error retrieving list of units from repository: "],
    ["list-unit-files", "Error retrieving list of units from repository: "],
    ["cat a", "Error retrieving Unit a.service: "],
    ["submit a", "Error creating units: error retrieving Unit(a.service) from Registry: "],
    ["load a", "Error creating units: error retrieving Unit(a.service) from Registry: "],
    ["start a", "Error creating units: error retrieving Unit(a.service) from Registry: "],
    ["stop a", "Error retrieving list of units from fleet API ("],
    ["unload a", "Error retrieving list of units from fleet API ("],
    ["destroy a", "Error retrieving list of units from fleet API ("],
  ])("of %s to reach the daemon are said with hints", async (line, beginning) => {
    const { code, stdout, stderr } = await fleetctl(`unix://${directory}/none.sock`, line.split(" "));
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr.startsWith(beginning)).toBe(true);
    expect(stderr).toContain("Is fleetd running there");
  });

  it("of a daemon that does not answer end after --request-timeout", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(join(directory, "silent.sock"), resolve));
    const args = ["--request-timeout=0.1", "list-machines"];
    const { code, stderr } = await fleetctl(`unix://${directory}/silent.sock`, args);
    expect(code).toBe(1);
    expect(stderr).toContain("from fleet API (no answer within 0.1 s)");
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
  });

  it("are one JSON line with --json", async () => {
    const { stderr } = await shell("cat --json a");
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "failed", message: "Unit a.service not found" },
    });
  });

  it.each([
    ["start --sign a", 2, "WARNING: The signed/verified units feature is DEPRECATED and cannot be used.\n"],
    ["verify a", 2, "WARNING: The signed/verified units feature is DEPRECATED and cannot be used.\n"],
    ["status a", 1, "fleetctl status is not available in this version\n"],
    ["--tunnel=1.2.3.4 list-units", 1, "--tunnel is not available in this version\n"],
    ["--driver=etcd list-units", 1, "--driver=etcd is not available in this version: use API\n"],
    ["--driver=x list-units", 1, "Unrecognized driver: x\n"],
    ["cat", 1, "One unit file must be provided\n"],
    ["cat a b", 1, "One unit file must be provided\n"],
    ["cat nope", 1, "Unit nope.service not found\n"],
    ["--bogus list-units", 2, 'unknown flag: --bogus\nRun "fleetctl help" for usage.\n'],
    ["list-units --bogus", 2, 'unknown flag: --bogus\nRun "fleetctl help" for usage.\n'],
  ])("%s", async (line, code, stderr) => {
    expect(await shell(line)).toEqual({ code, stdout: "", stderr });
    expect(fleet.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
  });

  it("of an endpoint with two slashes say what is missing", async () => {
    const { code, stderr } = await fleetctl("unix://var/run/fleet.sock", ["list-units"]);
    expect(code).toBe(1);
    expect(stderr).toContain("unix:///var/run/fleet.sock (three slashes)");
  });

  it("are not for flags that fleet has retired", async () => {
    const { code, stderr } = await shell(
      "--experimental-api --etcd-keyfile=x --ssh-timeout 5 list-units --no-legend",
    );
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("of several endpoints", () => {
  it("the first counts, with a word about it", async () => {
    const { code, stderr } = await fleetctl(`${endpoint},http://127.0.0.1:1`, ["list-units", "--no-legend"]);
    expect([code, stderr]).toEqual([
      0,
      `WARNING: of several endpoints only the first is used: ${endpoint}\n`,
    ]);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
