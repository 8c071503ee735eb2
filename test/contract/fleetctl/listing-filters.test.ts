import { stripVTControlCharacters } from "node:util";
import { beforeEach, describe, expect, it } from "vitest";
import { fleetctl } from "./command-line.ts";
import { options, sleeper, useFleetShell } from "./fleet-shell.ts";

const here = useFleetShell();
const { shell } = here;

beforeEach(() => {
  here.fleet.add("apache@.service", options(), "inactive");
  for (const n of [1, 2, 10]) here.fleet.add(`apache@${n}.service`, options(), "launched");
  here.fleet.add("db.service", options(), "loaded");
  here.fleet.add("g.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "launched");
  here.fleet.reports.set("apache@2.service", [{ active: "failed", sub: "failed" }]);
  here.fleet.reports.set("apache@10.service", [{ active: "activating", sub: "start-pre" }]);
});

/** The names that a listing has, in its order. */
async function names(line: string): Promise<string> {
  const { code, stdout, stderr } = await shell(`${line} --fields=unit --no-legend`);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout.replaceAll(".service", "").trimEnd().replaceAll("\n", " ");
}

describe("listings", () => {
  it.each([
    ["list-units", "apache@1 apache@10 apache@2 db g"],
    ["list-units apache@?", "apache@1 apache@2"],
    ["list-units apache@* db.service", "apache@1 apache@10 apache@2 db"],
    ["list-units nope", ""],
    ["list-units --state=failed", "apache@2"],
    ["list-units --state=activating,failed", "apache@10 apache@2"],
    ["list-units --state=dead", "db"],
    ["list-units --state=loaded,not-found db*", "db"],
    ["list-units --machine=0acd", "apache@1 apache@10 apache@2 db g"],
    ["list-units --machine=10.0.2.15 --state=failed *", "apache@2"],
    ["list-units --sort=unit", "apache@1 apache@2 apache@10 db g"],
    ["list-units --sort=-unit", "g db apache@10 apache@2 apache@1"],
    ["list-units --sort -active,unit", "db apache@2 apache@1 g apache@10"],
    ["list-unit-files apache@.*", "apache@"],
    ["list-unit-files --state=inactive", "apache@"],
    ["list-unit-files --state=loaded", "db"],
    ["list-unit-files --state=launched --machine=0acdd9bf", "apache@1 apache@10 apache@2 g"],
    ["list-unit-files --sort=-dstate,unit", "db apache@1 apache@2 apache@10 g apache@"],
  ])("%s", async (line, expected) => {
    expect(await names(line)).toBe(expected);
  });

  it("filter and sort their JSON alike", async () => {
    const json = async (line: string): Promise<unknown> => JSON.parse((await shell(`${line} --json`)).stdout);
    expect(await json("list-units --state=failed,activating --sort=unit")).toMatchObject([
      { name: "apache@2.service" },
      { name: "apache@10.service" },
    ]);
    expect(await json("list-unit-files d*")).toMatchObject([{ name: "db.service", global: false }]);
    expect(await json("list-unit-files none*")).toEqual([]);
    expect(await json("list-machines region=eu")).toEqual([]);
    expect(await json("list-machines 0ac")).toMatchObject([here.fleet.machine]);
    expect(await json("cat db")).toMatchObject({ name: "db.service", options: options() });
  });

  it.each([
    ["list-units --state=runing", '--state: unknown state "runing"\n  load: stub, loaded, not-found,'],
    ["list-units --state=", ""],
    ["list-units --state=failed,", '--state: unknown state ""\n'],
    [
      "list-unit-files --state=failed",
      '--state: unknown state "failed"\n  Known: inactive, loaded, launched\n',
    ],
    ["list-units --machine=1", '--machine: no machine has the id or IP "1"\n  Known: 0acdd9bf...\n'],
    [
      "list-units --sort=nope",
      'Invalid key to sort by: "nope". Known: unit, load, active, sub, machine, hash\n',
    ],
    ["list-units --sort=-unit,constructor", 'Invalid key to sort by: "constructor". Known:'],
    ["list-machines --sort=unit", 'Invalid key to sort by: "unit". Known: machine, ip, metadata\n'],
    ["list-machines --machine=1", '--machine: no machine has the id or IP "1"'],
    ["list-units apache@[", "apache@[: malformed pattern\n"],
    ["list-units a/b*", "a/b*: no such file;"],
  ])("%s says what it does not know", async (line, stderr) => {
    const outcome = await shell(line);
    expect(outcome.stderr).toContain(stderr);
    expect(outcome.code).toBe(stderr === "" ? 0 : 1);
  });

  it("know a state that systemd has not had before, once a unit is in it", async () => {
    here.fleet.reports.set("apache@1.service", [{ active: "active", sub: "hibernating" }]);
    expect(await names("list-units --state=hibernating")).toBe("apache@1");
  });

  it("ask for the machines of units once", async () => {
    await shell("list-units --machine=0acd");
    expect(here.fleet.requests).toEqual(["GET /state", "GET /machines"]);
  });
});

describe("colours", () => {
  const listing = (around: Parameters<typeof fleetctl>[2], ...flags: readonly string[]) =>
    fleetctl(here.endpoint, ["list-units", ...flags], around);
  const onTerminal = { isTerminal: { stdout: true, stderr: true } };

  it("are there on a terminal, and leave every column where it was", async () => {
    const plain = (await listing({})).stdout;
    expect(plain).not.toContain("\u001b");
    const { stdout } = await listing(onTerminal);
    expect(stdout).toContain("\u001b[31mfailed\u001b[39m\t\t\u001b[31mfailed\u001b[39m\n");
    expect(stdout).toContain("\u001b[33mactivating\u001b[39m\t\u001b[33mstart-pre\u001b[39m\n");
    expect(stripVTControlCharacters(stdout)).toBe(plain);
  });

  it("obey --color, NO_COLOR and FLEETCTL_COLOR, never JSON", async () => {
    const colored = async (...given: Parameters<typeof listing>) =>
      (await listing(...given)).stdout.includes("\u001b");
    expect(await colored({}, "--color=always")).toBe(true);
    expect(await colored(onTerminal, "--color=never")).toBe(false);
    expect(await colored({ ...onTerminal, environment: { NO_COLOR: "1" } })).toBe(false);
    expect(await colored({ ...onTerminal, environment: { FLEETCTL_COLOR: "never" } })).toBe(false);
    expect(await colored({}, "--color=always", "--json")).toBe(false);
    expect((await listing({}, "--color=purple")).stderr).toContain("expected one of auto, always, never");
  });

  it("mark errors on a terminal, and not the hints", async () => {
    const { stderr } = await fleetctl(here.endpoint, ["cat", "dbb"], onTerminal);
    expect(stderr).toBe("\u001b[31mUnit dbb.service not found\u001b[39m\n  Did you mean db.service?\n");
  });
});

describe("errors for programs", () => {
  it("tell of a unit that failed, and of one that cannot be stopped", async () => {
    here.fleet.reports.set("db.service", [{ active: "failed", sub: "failed" }]);
    const started = await shell("--json start db");
    expect(started.code).toBe(1);
    const lines = started.stderr.trimEnd().split("\n");
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      {
        error: { code: "failed", message: expect.stringMatching(/^Error waiting for units: .*db\.service/) },
      },
    ]);
    const stopped = await shell("--json stop apache@.service");
    expect([stopped.code, JSON.parse(stopped.stderr)]).toEqual([
      1,
      {
        error: {
          code: "failed",
          message: "Unable to stop unit apache@.service in state inactive",
          hints: [],
        },
      },
    ]);
  });

  it.each(["--json list-units --bogus", "list-units --json --bogus", "list-units --bogus -json=true"])(
    "tell of wrong usage: %s",
    async (line) => {
      const { code, stderr } = await shell(line);
      expect([code, JSON.parse(stderr)]).toMatchObject([
        2,
        { error: { code: "usage", message: "unknown flag: --bogus" } },
      ]);
    },
  );
});
