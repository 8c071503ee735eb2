import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../../packages/fleetctl/src/version.ts";
import { bundleProgram, installProgram } from "./installed-program.ts";
import { OneMachineCluster } from "./one-machine-cluster.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";
import { StreamServer, stateOf } from "./stream-server.ts";

const run = promisify(execFile);

let directory: string;
let program: string;
let cluster: OneMachineCluster;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetctl-program-"));
  program = await installProgram(directory);
  cluster = await OneMachineCluster.start();
});

afterAll(async () => {
  await cluster.close();
  await rm(directory, { recursive: true });
});

describe("the bundled program", () => {
  it("needs nothing beside it", async () => {
    const { stdout } = await run(process.execPath, [program, "version"]);
    expect(stdout).toBe(`fleetctl version ${VERSION}\n`);
  });

  it("runs while it is bundled anew, of which nothing old stays", async () => {
    await writeFile(join(directory, "bundle", "main-0000.v8"), "of an earlier build");
    let bundled = false;
    const bundling = bundleProgram(directory).finally(() => {
      bundled = true;
    });
    while (!bundled) await run(process.execPath, [program, "version"]);
    await bundling;
    const source = await readFile(join(directory, "bundle", "main.cjs"), "latin1");
    const kept = source.slice(source.lastIndexOf("/") + 1);
    expect((await readdir(join(directory, "bundle"))).sort()).toEqual([kept, "main.cjs"]);
  });

  it.each([
    ["is not there", undefined],
    ["is cut short", 40_000],
    ["is empty", 0],
  ])("runs when what V8 kept of it %s", async (_what, length) => {
    const bundle = join(directory, "bundle");
    const [kept = ""] = (await readdir(bundle)).filter((name) => name.endsWith(".v8"));
    const whole = await readFile(join(bundle, kept));
    try {
      if (length === undefined) await rm(join(bundle, kept));
      else await writeFile(join(bundle, kept), whole.subarray(0, length));
      const { stdout } = await run(process.execPath, [program, "version"]);
      expect(stdout).toBe(`fleetctl version ${VERSION}\n`);
    } finally {
      await writeFile(join(bundle, kept), whole);
    }
  });

  it.each(["--version", "-v"])("prints its version for %s", async (flag) => {
    const { stdout } = await run(process.execPath, [program, flag]);
    expect(stdout).toBe(`fleetctl version ${VERSION}\n`);
  });

  it.each(["--help", "-h"])("prints the help of a command for %s", async (flag) => {
    const help = await run(process.execPath, [program, "help", "list-units"]);
    expect((await run(process.execPath, [program, "list-units", flag])).stdout).toBe(help.stdout);
    expect((await run(process.execPath, [program, flag])).stdout).toContain("COMMANDS");
  });

  it("starts a unit, following the stream", async () => {
    const path = join(directory, "a.service");
    await writeFile(path, "[Service]\nExecStart=/bin/sleep infinity\n");
    const { stdout, stderr } = await run(process.execPath, [program, "start", path], {
      env: { FLEETCTL_ENDPOINT: cluster.endpoint },
    });
    expect(stderr).toBe("");
    expect(stdout).toBe("Unit a.service inactive\nUnit a.service launched on 0acdd9bf.../10.0.2.15\n");
    expect(cluster.streams).toBe(1);
  });

  it("exits 1 for what cannot be done, and 2 for wrong usage", async () => {
    const failing = run(process.execPath, [program, "--endpoint", cluster.endpoint, "cat", "nope"]);
    await expect(failing).rejects.toMatchObject({ code: 1, stderr: "Unit nope.service not found\n" });
    await expect(run(process.execPath, [program, "--nope"])).rejects.toMatchObject({ code: 2 });
  });

  it("exits 130 on Ctrl-C while it waits", async () => {
    const fleet = new ScriptedFleet();
    fleet.placesNothing = true;
    fleet.add("a.service", [], "inactive");
    const endpoint = await fleet.listen();
    const child = spawn(process.execPath, [program, "--endpoint", endpoint, "start", "a"]);
    const exited = once(child, "exit");
    // It has said what it waits for: it is waiting.
    await once(child.stderr, "data");
    child.kill("SIGINT");
    expect(await exited).toEqual([130, null]);
    await fleet.close();
  });

  it.each([
    ["n\n", 1, true],
    // Ctrl-D
    ["\u0004", 1, true],
    // Ctrl-C
    ["\u0003", 130, true],
    ["y\n", 0, false],
  ])("asks on a terminal before it destroys what a pattern matches: %j", async (answer, code, stays) => {
    const fleet = new ScriptedFleet();
    fleet.add("a.service", [], "inactive");
    const endpoint = await fleet.listen();
    const line = `'${process.execPath}' '${program}' --endpoint=${endpoint} destroy 'a*'`;
    // script(1) runs it on a terminal.
    const child = spawn("script", ["-qec", line, "/dev/null"]);
    const exited = once(child, "exit");
    let shown = "";
    child.stdout.on("data", (text) => {
      shown += String(text);
      if (shown.endsWith("Destroy 1 unit? [y/N] ")) child.stdin.write(answer);
    });
    expect(await exited).toEqual([code, null]);
    expect(shown).toContain("Matched 1 unit: a.service");
    expect(fleet.units.has("a.service")).toBe(stays);
    await fleet.close();
  });

  it.each([
    ["q", 0],
    // Ctrl-C
    ["\u0003", 130],
  ])("has a terminal's screen for --watch, and gives it back on %j", async (typed, code) => {
    const line = `'${process.execPath}' '${program}' --endpoint=${cluster.endpoint} list-machines --watch; echo "code $?"; stty -a`;
    const child = spawn("script", ["-qec", line, "/dev/null"], { env: { ...process.env, TERM: "xterm" } });
    const exited = once(child, "exit");
    let shown = "";
    child.stdout.on("data", (text) => {
      const before = shown;
      shown += String(text);
      if (shown.includes("q leaves") && !before.includes("q leaves")) child.stdin.write(typed);
    });
    expect(await exited).toEqual([0, null]);
    const [before, screen = "", after = ""] = shown.split("\u001b[?1049");
    expect(before).toBe("");
    expect(screen).toContain("0acdd9bf...");
    expect(after).toContain(`code ${code}`);
    // Lines are edited and Ctrl-C is a signal again.
    expect(after).toMatch(/\bisig icanon .* echo /);
  });

  it("shows the table of --watch again where there is no shell that Ctrl-Z could lead to", async () => {
    const line = `'${process.execPath}' '${program}' --endpoint=${cluster.endpoint} list-machines --watch`;
    const child = spawn("script", ["-qec", line, "/dev/null"], { env: { ...process.env, TERM: "xterm" } });
    const exited = once(child, "exit");
    let shown = "";
    child.stdout.on("data", (text) => {
      shown += String(text);
    });
    const screens = async (count: number): Promise<void> => {
      while (shown.split("q leaves").length <= count) await once(child.stdout, "data");
    };
    await screens(1);
    child.stdin.write("\u001a");
    await screens(2);
    child.stdin.write("q");
    expect(await exited).toEqual([0, null]);
  });

  it("lets no line on stderr tear the table of --watch", async () => {
    const servers = [new StreamServer(), new StreamServer()] as const;
    const endpoints = await Promise.all(servers.map((server) => server.listen()));
    const child = spawn(
      "script",
      ["-qec", `'${process.execPath}' '${program}' --endpoint=${endpoints} list-units -w`, "/dev/null"],
      { env: { ...process.env, TERM: "xterm" } },
    );
    const exited = once(child, "exit");
    let shown = "";
    child.stdout.on("data", (text) => {
      shown += String(text);
    });
    const seen = async (text: string): Promise<void> => {
      while (!shown.includes(text)) await once(child.stdout, "data");
    };
    await seen("q leaves");
    const moved = servers[1].opened();
    await servers[0].close();
    await moved;
    child.stdin.write("q");
    expect(await exited).toEqual([0, null]);
    const [screen = "", after = ""] = shown.split("\u001b[?1049l");
    expect(screen).toContain("STALE");
    expect(screen).not.toContain(`${endpoints[0]} cannot be reached`);
    expect(after).toContain(endpoints[0]);
    await servers[1].close();
  });

  it("ends --watch when nobody reads on", async () => {
    const server = new StreamServer();
    server.rows = { states: [stateOf("a.service", "1")] };
    const endpoint = await server.listen();
    const watch = `"${process.execPath}" "${program}" --endpoint=${endpoint} list-units --watch | head -n 1`;
    let n = 0;
    const ticking = setInterval(() => {
      n += 1;
      server.tell({ states: { put: [stateOf("a.service", "1", `s${n}`)], removed: [] } });
    }, 20);
    expect((await run("sh", ["-c", watch])).stdout).toBe("CHANGE\tUNIT\t\tMACHINE\tACTIVE\tSUB\n");
    clearInterval(ticking);
    await server.close();
  });

  it("says so when its output cannot be written", async () => {
    const full = run("sh", ["-c", `"${process.execPath}" "${program}" help > /dev/full`]);
    await expect(full).rejects.toMatchObject({
      code: 1,
      stderr: "fleetctl: cannot write to stdout: ENOSPC: no space left on device, write\n",
    });
  });

  it.each(["stdout", "stderr"] as const)(
    "does what it was asked to when nobody reads its %s",
    async (output) => {
      const fleet = new ScriptedFleet();
      const endpoint = await fleet.listen();
      // It says that the unit is inactive, and has a warning for it, before it starts it.
      const path = join(directory, `${output}.service`);
      await writeFile(path, "[Service]\nExecStart=/bin/true\n[X-Fleet]\nNonsense=1\n");
      const child = spawn(process.execPath, [program, `--endpoint=${endpoint}`, "start", path]);
      child[output].destroy();
      expect(await once(child, "exit")).toEqual([0, null]);
      expect(fleet.units.get(`${output}.service`)?.desiredState).toBe("launched");
      // It has waited for it, too.
      expect(fleet.requests).toContain(`GET /state/${output}.service`);
      await fleet.close();
    },
  );

  it("does not mind that nobody reads its output to the end", async () => {
    const { stdout, stderr } = await run("sh", ["-c", `"${process.execPath}" "${program}" help | head -n 1`]);
    expect([stdout, stderr]).toEqual(["NAME:\n", ""]);
  });
});
