import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LabDirectory, labsRoot, ownerOf } from "@fleet/lab";
import { afterEach, describe, expect, it } from "vitest";
import { describeFullMachines } from "../full-machines.ts";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
const LAB = join(CHECKOUT, "node_modules", ".bin", "fleet-lab");

interface Result {
  readonly exitCode: number | null;
  readonly output: string;
}

/** Runs a program to its end; stdout and stderr together. */
function run(command: string, args: readonly string[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: CHECKOUT, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, output }));
  });
}

const names = new Set<string>();
function newName(): string {
  const name = `e2e-${process.pid}-${names.size}`;
  names.add(name);
  return name;
}
afterEach(async () => {
  for (const name of names) {
    if (ownerOf(join(labsRoot(), name)) !== undefined) await run(LAB, ["--name", name, "down"]);
  }
});

/** Everything a lab has on the host: its directory, whatever names that or its control group, and its network. */
function traces(name: string, controlGroup: string): readonly string[] {
  const path = join(labsRoot(), name);
  const processes = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && mentions(pid, path));
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const groups = readdirSync("/sys/fs/cgroup", { recursive: true, encoding: "utf8" });
  const bridge = controlGroup.replace("fleet-lab-", "fl-");
  return [
    ...(existsSync(path) ? [path] : []),
    ...processes.map((pid) => `process ${pid}`),
    ...mounts.filter((mount) => mount.includes(`${path}/`)),
    // Processes that name nothing of it, such as those of a full machine, are in here all the same.
    ...groups.filter((group) => group.endsWith(controlGroup)),
    ...readdirSync("/sys/class/net").filter((device) => device === bridge),
  ];
}

/** Whether a process has the path in its command line or its environment. */
function mentions(pid: string, path: string): boolean {
  try {
    const text = `${readFileSync(`/proc/${pid}/cmdline`)}${readFileSync(`/proc/${pid}/environ`)}`;
    return text.includes(`${path}/`);
  } catch {
    return false;
  }
}

async function controlGroupOf(name: string): Promise<string> {
  return `fleet-lab-${(await readFile(join(labsRoot(), name, "id"), "utf8")).trim()}`;
}

describe("fleet-lab", () => {
  it("brings a lab up, does things to it, and leaves nothing behind", async () => {
    const name = newName();
    const lab = (...args: readonly string[]): Promise<Result> => run(LAB, ["--name", name, ...args]);
    expect(await lab("up", "--machines", "2")).toMatchObject({ exitCode: 0 });
    const controlGroup = await controlGroupOf(name);
    expect(traces(name, controlGroup).length).toBeGreaterThan(5);

    expect(await lab("up")).toMatchObject({ exitCode: 1, output: expect.stringContaining("is running") });
    expect(await lab("kill-agent", "m1")).toMatchObject({ exitCode: 0 });
    expect((await lab("status")).output).toMatch(/^m1 .* on +down +joined/m);
    expect(await lab("restart", "m1")).toMatchObject({ exitCode: 0 });
    expect(await lab("cut-off", "m2")).toMatchObject({ exitCode: 0 });
    expect((await lab("status")).output).toMatch(/^m2 .* on +pid \d+ +cut off \(drop\)/m);
    expect(await lab("heal", "m2")).toMatchObject({ exitCode: 0 });
    expect(await lab("kill-machine", "m2")).toMatchObject({ exitCode: 0 });
    expect((await lab("status")).output).toMatch(/^m2 .* off +down/m);
    expect(await lab("reboot", "m2")).toMatchObject({ exitCode: 0 });
    expect(await lab("add-machine", "disk=ssd")).toMatchObject({ exitCode: 0 });
    expect(await lab("pause-agent", "m3")).toMatchObject({ exitCode: 0 });
    expect((await lab("shell", "m3", "hostname")).output).toBe("m3\n");
    expect(await lab("shell", "m3", "sh", "-c", "exit 7")).toMatchObject({ exitCode: 7 });

    expect(await lab("down")).toMatchObject({ exitCode: 0 });
    expect(traces(name, controlGroup)).toEqual([]);
  });

  it("leaves nothing behind when its keeper is killed, and comes up again", () => survivesKills(["1"]));

  it("sweeps what a lab has left whose janitor was killed too", () => isSweptByTheNext(["1"]));

  it("that does not come up says why and leaves nothing behind, the process that tried included", async () => {
    const name = newName();
    const result = await run("env", ["FLEET_LAB_ROOT=/run/labs", LAB, "--name", name, "up"]);
    expect(result).toMatchObject({ exitCode: 1, output: expect.stringContaining("FLEET_LAB_ROOT") });
    const failing = `import("${CHECKOUT}/packages/lab/dist/index.js").then(({ Cluster }) =>
      Cluster.up({ name: "${name}", machines: [{}, { env: { FLEET_AGENT_TTL: "soon" } }] }))`;
    const failed = await run(process.execPath, ["--eval", failing]);
    expect(failed).toMatchObject({ exitCode: 1, output: expect.stringContaining("FLEET_AGENT_TTL") });
    expect(existsSync(join(labsRoot(), name))).toBe(false);
  });

  it("explains what it does not understand, and ends with exit code 2", async () => {
    expect(await run(LAB, ["help"])).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining("kill-machine MACHINE"),
    });
    expect(await run(LAB, ["up", "--machines", "many"])).toMatchObject({ exitCode: 2 });
    expect(await run(LAB, ["--colour"])).toMatchObject({ exitCode: 2 });
    expect(await run(LAB, ["--name", "no-such-lab", "status"])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('no lab named "no-such-lab" is running'),
    });
  });
});

describeFullMachines("fleet-lab with a full machine", () => {
  it("takes both kinds, and more of them later, and leaves nothing behind", async () => {
    const name = newName();
    const lab = (...args: readonly string[]): Promise<Result> => run(LAB, ["--name", name, ...args]);
    expect(await lab("up", "--machines", "1", "--full", "1")).toMatchObject({ exitCode: 0 });
    const controlGroup = await controlGroupOf(name);
    expect(await lab("add-machine", "--full", "disk=ssd")).toMatchObject({ exitCode: 0 });
    expect((await lab("status")).output).toMatch(
      /^m1 .* light +on +pid .*\nm2 .* full +on +pid .*\nm3 .* full +on +pid /m,
    );
    expect((await lab("shell", "m3", "systemctl", "is-system-running")).output).toBe("running\n");
    expect((await lab("shell", "m3", "fleetctl", "list-machines")).output).toContain("disk=ssd");
    const { output: env } = await lab("env");
    const { output: id } = await lab("shell", "m3", "cat", "/etc/machine-id");
    expect(await run("sh", ["-c", `${env} fleetctl ssh ${id.trim()} hostname`])).toEqual({
      exitCode: 0,
      output: "m3\n",
    });
    for (const command of ["kill-agent", "restart", "stop-agent", "restart", "kill-machine", "reboot"]) {
      expect(await lab(command, "m2"), command).toMatchObject({ exitCode: 0 });
    }
    expect((await lab("status")).output).toMatch(/^m2 .* full +on +pid /m);
    expect(await lab("down")).toMatchObject({ exitCode: 0 });
    expect(traces(name, controlGroup)).toEqual([]);
  });

  it("leaves nothing behind when its keeper is killed, and comes up again", () =>
    survivesKills(["0", "--full", "2"]));

  it("sweeps what a lab has left whose janitor was killed too", () => isSweptByTheNext(["0", "--full", "1"]));

  it("leaves nothing behind when its keeper is killed while machines boot", async () => {
    const name = newName();
    const path = join(labsRoot(), name);
    const up = run(LAB, ["--name", name, "up", "--machines", "0", "--full", "2"]);
    await expect.poll(() => existsSync(join(path, "m2", "machine.log")), { timeout: 30_000 }).toBe(true);
    const controlGroup = await controlGroupOf(name);
    process.kill(ownerOf(path) ?? 0, "SIGKILL");
    expect(await up).toMatchObject({ exitCode: 1 });
    await expect.poll(() => traces(name, controlGroup), { timeout: 10_000 }).toEqual([]);
  });
});

/** A lab with these machines is killed, twice, and nothing of it is left. */
async function survivesKills(machines: readonly string[]): Promise<void> {
  const name = newName();
  for (const round of [1, 2]) {
    const up = await run(LAB, ["--name", name, "up", "--machines", ...machines]);
    expect(up.exitCode, `round ${round}: ${up.output}`).toBe(0);
    const controlGroup = await controlGroupOf(name);
    const keeper = ownerOf(join(labsRoot(), name));
    expect(keeper).toBeDefined();
    if (keeper !== undefined) process.kill(keeper, "SIGKILL");
    await expect.poll(() => traces(name, controlGroup), { timeout: 10_000 }).toEqual([]);
  }
}

/** A lab with these machines is killed together with the one that cleans up after it: the next lab does. */
async function isSweptByTheNext(machines: readonly string[]): Promise<void> {
  const name = newName();
  await run(LAB, ["--name", name, "up", "--machines", ...machines]);
  const controlGroup = await controlGroupOf(name);
  const path = join(labsRoot(), name);
  const janitor = readdirSync("/proc").find(
    (pid) => /^\d+$/.test(pid) && commandLineOf(pid).endsWith(`sweep.sh --after-stdin ${path}`),
  );
  process.kill(Number(janitor), "SIGKILL");
  process.kill(ownerOf(path) ?? 0, "SIGKILL");
  await expect.poll(() => ownerOf(path)).toBeUndefined();
  expect(existsSync(path)).toBe(true);
  await LabDirectory.create().remove();
  await expect.poll(() => traces(name, controlGroup), { timeout: 10_000 }).toEqual([]);
}

describe("the demo", () => {
  it("shows units running, moved and running again, and ends with exit code 0", async () => {
    // Not through npm: the build is there, and another one at the same time would disturb other tests.
    const main = `import("${CHECKOUT}/packages/lab/dist/demo.js").then(async (demo) => {
      process.exitCode = await demo.main(["--exit"]);
    })`;
    const result = await run(process.execPath, ["--eval", main]);
    expect(result).toMatchObject({ exitCode: 0 });
    for (const part of [
      "list-machines",
      "list-unit-files",
      "list-units",
      "kill -9",
      "everything runs again",
    ]) {
      expect(result.output).toContain(part);
    }
  });
});

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1).join(" ");
  } catch {
    return "";
  }
}
