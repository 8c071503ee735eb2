import { execFile, spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { options } from "./fleet-shell.ts";
import { installProgram } from "./installed-program.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";

const run = promisify(execFile);

const fleet = new ScriptedFleet();
let directory: string;
let environment: Record<string, string>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetctl-completion-"));
  const program = await installProgram(directory);
  await writeFile(join(directory, "fleetctl"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
  await chmod(join(directory, "fleetctl"), 0o755);
  await writeFile(join(directory, "apart.service"), "");
  const endpoint = await fleet.listen();
  environment = { PATH: `${directory}:${process.env.PATH}`, FLEETCTL_ENDPOINT: endpoint, HOME: directory };
  for (const name of ["apache@.service", "db.timer", "srv-my\\x2ddata.mount"]) {
    fleet.add(name, options(), "inactive");
  }
  for (const n of [1, 2, 10]) fleet.add(`apache@${n}.service`, options(), "launched");
});

afterAll(async () => {
  await fleet.close();
  await rm(directory, { recursive: true });
});

const id = "0acdd9bf00000000000000000000abcd";

/** What is offered at the end of a line, in each shell. */
const cases: readonly (readonly [string, readonly string[]])[] = [
  ["fleetctl list-", ["list-machines", "list-unit-files", "list-units"]],
  ["fleetctl stop apache@1", ["apache@1.service", "apache@10.service"]],
  ["fleetctl cat apache@.", ["apache@.service"]],
  ["fleetctl list-units --so", ["--sort="]],
  ["fleetctl list-units --machine 0", [id]],
  ["fleetctl --color", ["--color="]],
  ["fleetctl help sto", ["stop"]],
  ["fleetctl frobnicate ", []],
];

async function shell(program: string, args: readonly string[]): Promise<readonly string[]> {
  const { stdout, stderr } = await run(program, args, { env: environment, cwd: directory });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((line) => line !== "");
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function hasProgram(name: string): boolean {
  return spawnSync(name, ["-c", "true"]).status === 0;
}

describe("completion in bash", () => {
  it.each(cases)("of %j", async (line, expected) => {
    expect(await shell("bash", [script("complete-line.bash"), line, " "])).toEqual(expected);
  });

  it.each([
    // Readline keeps what is before the last of its own word breaks.
    ["fleetctl stop apache@1", ["1.service", "10.service"]],
    ["fleetctl list-units --machine=0", [id]],
    ["fleetctl list-units --machine=10.0.2.15,0", [`10.0.2.15,${id}`]],
    ["fleetctl cat 'apache@2", ["apache@2.service"]],
    ["fleetctl cat srv", ["srv-my\\\\x2ddata.mount"]],
    ["fleetctl start ap", ["apache@1.service", "apache@2.service", "apache@10.service", "apart.service"]],
  ])("with bash's own word breaks: %j", async (line, expected) => {
    expect(await shell("bash", [script("complete-line.bash"), line])).toEqual(expected);
  });

  it("goes by COMP_WORDS where there is no line", async () => {
    expect(await shell("bash", [script("complete-words.bash"), "fleetctl", "stop", "apache@2"])).toEqual([
      "apache@2.service",
    ]);
  });
});

describe.skipIf(!hasProgram("zsh"))("completion in zsh (skipped without zsh)", () => {
  it.each(cases)("of %j", async (line, expected) => {
    expect([...(await shell("zsh", ["-f", script("complete-line.zsh"), line]))].sort()).toEqual(
      [...expected].sort(),
    );
  });
});

describe.skipIf(!hasProgram("fish"))("completion in fish (skipped without fish)", () => {
  it.each(cases)("of %j", async (line, expected) => {
    const offered = await shell("fish", [
      "-c",
      'fleetctl completion fish | source; complete -C "$argv[1]"',
      line,
    ]);
    expect(offered.map((candidate) => candidate.replace(/\t.*/, "")).sort()).toEqual([...expected].sort());
  });
});

describe("__complete", () => {
  const complete = (env: Record<string, string>, ...words: readonly string[]) =>
    run("fleetctl", ["__complete", "--", ...words], { env: { ...environment, ...env } });

  it("offers nothing that a shell would run or split", async () => {
    const machines = (kept: Record<string, string>) => Object.assign(fleet.machine.metadata, kept);
    machines({ evil: "$(touch pwned)", quoted: "`id`", two: "a b", lines: "a\nlines=b;c", zone: "eu-1" });
    try {
      const { stdout } = await complete({}, "list-machines", "");
      expect(stdout.split("\n").filter((line) => line.includes("="))).toEqual([
        "region=china\tmetadata",
        "private-ip=172.17.8.103\tmetadata",
        "zone=eu-1\tmetadata",
      ]);
    } finally {
      for (const key of ["evil", "quoted", "two", "lines", "zone"])
        Reflect.deleteProperty(fleet.machine.metadata, key);
    }
  });

  it("is silent when nobody answers, and still knows what needs no answer", async () => {
    const away = { FLEETCTL_ENDPOINT: "unix:///nowhere/fleet.sock" };
    expect(await complete(away, "stop", "")).toEqual({ stdout: ":words\n", stderr: "" });
    expect((await complete(away, "stop", "--no-b")).stdout).toMatch(/^:words\n--no-block\t/);
  });

  it("asks the cluster that the line names", async () => {
    const away = { FLEETCTL_ENDPOINT: "unix:///nowhere/fleet.sock" };
    const endpoint = environment.FLEETCTL_ENDPOINT ?? "";
    const { stdout } = await complete(away, "--endpoint", endpoint, "stop", "db");
    expect(stdout).toBe(":words\ndb.timer\tinactive\n");
  });

  it("does not wait for a daemon that hangs", async () => {
    const hanging = createServer(() => {});
    const path = join(directory, "hanging.sock");
    await new Promise<void>((resolve) => hanging.listen(path, resolve));
    const startedMs = performance.now();
    const { stdout } = await complete(
      { FLEETCTL_ENDPOINT: `unix://${path}`, FLEETCTL_REQUEST_TIMEOUT: "55" },
      "stop",
      "",
    );
    expect(stdout).toBe(":words\n");
    // It gives up after 0.8 s; the request timeout would be 55 s.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    hanging.close();
  });

  it("is no command of its own in help, and no beginning means it", async () => {
    expect((await run("fleetctl", ["help"], { env: environment })).stdout).not.toContain("__complete");
    await expect(run("fleetctl", ["__comp"], { env: environment })).rejects.toMatchObject({ code: 2 });
  });
});

describe("the manual", () => {
  it("is built beside the bundle and printed by fleetctl alike", async () => {
    const { stdout } = await run("fleetctl", ["man", "list-units"], { env: environment });
    const built = await run("cat", [join(directory, "man", "fleetctl-list-units.1")]);
    expect(stdout).toBe(built.stdout);
    expect(stdout).toContain(".TH FLEETCTL-LIST-UNITS 1");
  });
});
