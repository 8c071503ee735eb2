import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fleetctl } from "./command-line.ts";
import { options, sleeper, useFleetShell } from "./fleet-shell.ts";

const here = useFleetShell();
const { shell, file } = here;

describe("a unit file", () => {
  it("is looked for by name, without suffix too", async () => {
    expect(await shell("start nope")).toEqual({
      code: 1,
      stdout: "",
      stderr: "Error creating units: unable to find Unit(nope.service) in Registry or on filesystem\n",
    });
  });

  it("ends in its type: of a file that does not, this is said", async () => {
    await file("web.txt");
    const { code, stderr } = await shell("submit ./web.txt");
    expect([code, stderr.split("\n")]).toEqual([
      1,
      [
        "Error creating units: unable to find Unit(web.txt.service) in Registry or on filesystem",
        `  ${here.directory}/web.txt is no unit file: the name of one ends in its type, as in ${here.directory}/web.txt.service`,
        "",
      ],
    ]);
  });

  it("of an instance is the template beside the path when the registry has none", async () => {
    await file("t@.service", "[Service]\nExecStart=/bin/sleep 1\n");
    expect((await shell("submit ./t@7.service")).code).toBe(0);
    expect(here.fleet.units.get("t@7.service")?.options).toEqual(
      options("[Service]\nExecStart=/bin/sleep 1\n"),
    );
    expect(here.fleet.units.has("t@.service")).toBe(false);
  });

  it("of an instance is the registry's template, with a warning when the local one differs", async () => {
    await file("t@.service", "[Service]\nExecStart=/bin/sleep 1\n");
    here.fleet.add("t@.service", options(), "inactive");
    const { stderr } = await shell("submit ./t@7.service");
    expect(here.fleet.units.get("t@7.service")?.options).toEqual(options());
    expect(stderr).toBe(
      `WARNING: Unit t@.service in registry differs from local template unit file ${here.directory}/t@.service. Add --replace to override.\n`,
    );
  });

  it("of an instance is its symlink", async () => {
    await file("t@.service");
    await mkdir(join(here.directory, "instances"));
    await symlink("../t@.service", join(here.directory, "instances", "t@7.service"));
    expect((await shell("start ./instances/t@7.service")).stdout).toContain("Unit t@7.service launched on");
    expect(here.fleet.units.get("t@7.service")?.options).toEqual(options());
  });

  it.each([
    ["b.service", "[Service\nExecStart=/bin/true\n", "cannot use unit file"],
    ["b.service", "[Service]\nnonsense\n", "line 2"],
    ["b.service", "[X-Fleet]\nMachineID=abc\nGlobal=true\n", "MachineID cannot be used with Global"],
    ["b c.service", sleeper, 'invalid unit name "b c.service"'],
  ])("%s with %j is refused, and nothing at all is written", async (name, text, reason) => {
    await file("a.service");
    await file(name, text);
    const paths = [join(here.directory, "a.service"), join(here.directory, name)];
    const { code, stderr } = await fleetctl(here.endpoint, ["start", ...paths]);
    expect(code).toBe(1);
    expect(stderr).toContain("Error creating units: ");
    expect(stderr).toContain(reason);
    expect(here.fleet.requests.filter((request) => request.startsWith("PUT"))).toEqual([]);
  });

  it("with a mistake is refused, naming file and line", async () => {
    await file("a.service", "[Service]\nExecStart=/bin/true\nnonsense\n");
    const { code, stderr } = await shell("submit ./a.service");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error creating units: cannot use unit file \S+\/a\.service: line 3: (?!line)/);
  });

  it("that is no text is refused", async () => {
    await writeFile(join(here.directory, "a.service"), Uint8Array.of(0x5b, 0xff, 0xfe));
    const { code, stderr } = await shell("submit ./a.service");
    expect([code, stderr]).toEqual([1, expect.stringContaining("it is not UTF-8 text")]);
  });

  it("with an unknown requirement is accepted with a warning", async () => {
    await file("a.service", `${sleeper}[X-Fleet]\nFoo=bar\n`);
    const { code, stderr } = await shell("submit ./a.service");
    expect(code).toBe(0);
    expect(stderr).toContain('unrecognized requirement in [X-Fleet] section: "Foo"');
  });

  it("that was submitted is said, although another could not be", async () => {
    for (const name of ["a.service", "b.service"]) await here.file(name);
    here.fleet.refused.add("PUT /units/b.service");
    const { code, stdout, stderr } = await shell("submit ./a.service ./b.service");
    expect([code, stdout]).toEqual([1, "Unit a.service inactive\n"]);
    expect(stderr).toContain("Error creating units: error creating Unit(b.service): fleet server unable");
  });

  it("of many is told apart from those that are there already", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `u${index}.service`);
    for (const name of names) await here.file(name);
    for (const name of names.slice(5)) here.fleet.add(name, options(), "inactive");
    const { code, stdout } = await shell(`submit ${names.map((name) => `./${name}`).join(" ")}`);
    const created = names.slice(0, 5).map((name) => `Unit ${name} inactive\n`);
    expect([code, stdout]).toEqual([0, created.join("")]);
  });

  it("that several instances are made of is asked for once", async () => {
    here.fleet.add("t@.service", options(), "inactive");
    expect((await shell("start --no-block t@1 t@2 t@3")).code).toBe(0);
    expect(here.fleet.requests.filter((request) => request === "GET /units/t@.service")).toHaveLength(1);
  });

  it("is created together with what is to become of it", async () => {
    for (const name of ["a.service", "b.service"]) await here.file(name);
    const { code, stdout } = await shell("start --no-block ./a.service ./b.service");
    const triggered = "Triggered unit a.service start\nTriggered unit b.service start\n";
    expect([code, stdout]).toEqual([0, `Unit a.service inactive\nUnit b.service inactive\n${triggered}`]);
    const writes = here.fleet.requests.filter((request) => request.startsWith("PUT"));
    expect(writes.sort()).toEqual(["PUT /units/a.service", "PUT /units/b.service"]);
    expect([...here.fleet.units.values()].map(({ desiredState }) => desiredState)).toEqual([
      "launched",
      "launched",
    ]);
  });

  it("that is to be started is said, although another could not be written", async () => {
    for (const name of ["a.service", "b.service"]) await here.file(name);
    here.fleet.refused.add("PUT /units/b.service");
    const { code, stdout, stderr } = await shell("start ./a.service ./b.service");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("Unit a.service was written all the same: it is to be launched\n");
    expect(stderr).toContain("Error creating units: error creating Unit(b.service): fleet server unable");
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
    here.fleet.add("a.service", options(), "loaded");
    const { code, stderr } = await shell("start ./a.service");
    expect(code).toBe(0);
    expect(stderr).toBe(
      `WARNING: Unit a.service in registry differs from local unit file ${here.directory}/a.service. Add --replace to override.\n`,
    );
    expect(here.fleet.units.get("a.service")?.options).toEqual(options());
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
    here.fleet.add("a.service", options(), state);
    const { code, stderr } = await shell(`${verb} --replace ./a.service`);
    expect(code).toBe(0);
    const unit = here.fleet.units.get("a.service");
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
    here.fleet.add("a.service", options(), "inactive");
    const { stdout } = await shell("submit --replace ./a.service");
    expect(stdout).toBe("Found same Unit(a.service) in Registry, nothing to do\n");
    expect(here.fleet.requests).toEqual(["GET /units/a.service"]);
  });
});
