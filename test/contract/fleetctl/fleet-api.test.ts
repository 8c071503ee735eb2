import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fleetctl, type Outcome } from "./command-line.ts";
import { OneMachineCluster } from "./one-machine-cluster.ts";

const legend = "0acdd9bf.../10.0.2.15";

let cluster: OneMachineCluster;
let directory: string;

beforeAll(async () => {
  cluster = await OneMachineCluster.start();
  directory = await mkdtemp(join(tmpdir(), "fleetctl-units-"));
});

afterAll(async () => {
  await cluster.close();
  await rm(directory, { recursive: true });
});

async function unit(name: string, text = "[Service]\nExecStart=/bin/sleep infinity\n"): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

const run = (...args: string[]): Promise<Outcome> => fleetctl(cluster.endpoint, args);

describe("against this project's API, following its stream", () => {
  it("takes a unit through its life", async () => {
    const path = await unit("hello.service");
    expect(await run("submit", path)).toEqual({
      code: 0,
      stdout: "Unit hello.service inactive\n",
      stderr: "",
    });
    expect(await run("load", "hello")).toEqual({
      code: 0,
      stdout: `Unit hello.service loaded on ${legend}\n`,
      stderr: "",
    });
    expect(await run("start", "hello")).toEqual({
      code: 0,
      stdout: `Unit hello.service launched on ${legend}\n`,
      stderr: "",
    });
    expect((await run("list-units", "--no-legend")).stdout).toBe(
      `hello.service\t${legend}\tactive\trunning\n`,
    );
    expect((await run("list-machines", "--no-legend")).stdout).toBe("0acdd9bf...\t10.0.2.15\tregion=china\n");
    expect(await run("stop", "hello")).toEqual({
      code: 0,
      stdout: `Unit hello.service loaded on ${legend}\n`,
      stderr: "Successfully stopped units [hello.service].\n",
    });
    expect(await run("unload", "hello")).toEqual({
      code: 0,
      stdout: "Unit hello.service inactive\n",
      stderr: "Successfully unloaded units [hello.service].\n",
    });
    expect(await run("destroy", "hello")).toEqual({
      code: 0,
      stdout: "Destroyed hello.service\n",
      stderr: "",
    });
    expect((await run("list-unit-files", "--no-legend")).stdout).toBe("");
    // One for each command that waited: load, start, stop, unload, destroy of a unit without machine does not.
    expect(cluster.streams).toBe(4);
  });

  it("submits, launches and destroys in one go", async () => {
    const path = await unit("quick.service");
    const { code, stdout } = await run("start", path);
    expect([code, stdout]).toEqual([
      0,
      `Unit quick.service inactive\nUnit quick.service launched on ${legend}\n`,
    ]);
    expect((await run("destroy", "quick")).stdout).toBe("Destroyed quick.service\n");
    expect((await run("list-units", "--no-legend")).stdout).toBe("");
  });

  it("waits for fifty units at once, and for an old intent as well", async () => {
    const paths = await Promise.all(
      Array.from({ length: 50 }, (_, number) => unit(`many-${number}.service`)),
    );
    const { code, stdout } = await run("start", ...paths);
    expect(code).toBe(0);
    expect(stdout.match(/^Unit many-\d+\.service launched on /gm)).toHaveLength(50);
    // Launched before: nothing is written, and the state is still told.
    expect((await run("start", "many-7")).stdout).toBe(`Unit many-7.service launched on ${legend}\n`);
    const names = paths.map((_, number) => `many-${number}`);
    expect((await run("destroy", ...names)).code).toBe(0);
  });

  it("replaces a running unit where it runs", async () => {
    const path = await unit("swap.service");
    await run("start", path);
    await unit("swap.service", "[Service]\nExecStart=/bin/sleep 1\n");
    expect(await run("start", "--replace", path)).toEqual({
      code: 0,
      stdout: `Unit swap.service launched on ${legend}\n`,
      stderr: "",
    });
    expect((await run("cat", "swap")).stdout).toBe("[Service]\nExecStart=/bin/sleep 1\n");
    await run("destroy", "swap");
  });

  it("reports a failure, and a start that takes its time", async () => {
    const failing = await run("start", await unit("fail.service"));
    expect(failing.code).toBe(1);
    expect(failing.stderr).toContain("systemd reports failed (failed)");
    const again = await run("start", "fail");
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("Unit fail.service has failed: starting it again.\n");
    const slow = await run("start", await unit("slow.service"));
    expect(slow.code).toBe(0);
    expect(slow.stderr).toBe("Unit slow.service is still activating (start-pre).\n");
    await run("destroy", "fail", "slow");
  });

  it("instantiates a template of the registry", async () => {
    await run("submit", await unit("t@.service"));
    expect((await run("start", "t@1", "t@2")).code).toBe(0);
    const { stdout } = await run("list-unit-files", "--no-legend", "--fields=unit,state");
    expect(stdout).toBe("t@.service\tinactive\nt@1.service\tlaunched\nt@2.service\tlaunched\n");
    expect((await run("destroy", "t@", "t@1", "t@2")).code).toBe(0);
  });
});
