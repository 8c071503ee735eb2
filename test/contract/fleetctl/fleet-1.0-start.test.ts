import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fleetctl } from "./command-line.ts";
import { legend, options, sleeper, useFleetShell } from "./fleet-shell.ts";

const hello = fileURLToPath(new URL("../../fixtures/coreos-units/hello.service", import.meta.url));
const here = useFleetShell();
const { shell, file } = here;

describe("hello.service as fleet's users know it", () => {
  it("goes through its life with fleet's own lines", async () => {
    await copyFile(hello, join(here.directory, "hello.service"));
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
    here.fleet.reports.set("hello.service", [{ active: "activating", sub: "start-pre" }]);
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
    const distinct = here.fleet.requests.filter((request, index, all) => request !== all[index - 1]);
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
    here.fleet.add("t@.service", options(), "inactive");
    await shell("start --no-block t@2.service");
    expect(here.fleet.requests).toEqual([
      "GET /units/t@2.service",
      "GET /units/t@.service",
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
    here.fleet.add("a.service", options(), "loaded");
    here.fleet.reports.set("a.service", [{ active: "activating", sub: "start-pre" }]);
    expect(await shell("start a")).toEqual({
      code: 0,
      stdout: `Unit a.service launched on ${legend}\n`,
      stderr: "Unit a.service is still activating (start-pre).\n",
    });
  });

  it("exits 1 for a unit that fails", async () => {
    here.fleet.add("a.service", options(), "loaded");
    here.fleet.reports.set("a.service", [
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

  it("asks for a start of a launched unit only where it has failed", async () => {
    here.fleet.add("a.service", options(), "launched");
    here.fleet.add("b.service", options(), "launched");
    here.fleet.reports.set("a.service", [
      { active: "failed", sub: "failed" },
      { active: "active", sub: "running" },
    ]);
    expect(await shell("start a b")).toMatchObject({
      code: 0,
      stderr: "Unit a.service has failed: starting it again.\n",
    });
    const written = here.fleet.requests.filter((request) => request.startsWith("PUT"));
    expect(written).toEqual(["PUT /units/a.service"]);
  });

  it("starts the others when one fails, and exits 1", async () => {
    here.fleet.add("a.service", options(), "loaded");
    here.fleet.add("b.service", options(), "loaded");
    here.fleet.reports.set("a.service", [{ active: "failed", sub: "failed" }]);
    const { code, stdout } = await shell("start a b");
    expect(code).toBe(1);
    expect(stdout).toContain("Unit b.service launched on");
    expect(here.fleet.units.get("b.service")?.currentState).toBe("launched");
  });

  it("refuses a file without options before anything is sent", async () => {
    await file("a.service", "ExecStart outside of everything\n");
    const { code, stderr } = await shell("start ./a.service");
    expect(code).toBe(1);
    expect(stderr).toContain("invalid unit a.service: its file has no options");
    expect(here.fleet.units.size).toBe(0);
  });

  it("tells what it waits for, and gives up after --block-attempts polls", async () => {
    here.fleet.placesNothing = true;
    here.fleet.add("a.service", options(), "inactive");
    expect(await shell("start --block-attempts=4 a")).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "Unit a.service is not placed yet: waiting for a machine that may run it.\n" +
        "  This server has fleet 1.0's API, which does not tell why.\n" +
        "Error waiting for units: timed out waiting for unit a.service to report state launched\n",
    });
  });

  it("shows a machine without its address when the machines cannot be had just then", async () => {
    here.fleet.add("a.service", options(), "inactive");
    here.fleet.refused.add("GET /machines");
    const outcome = await shell("start a");
    expect(outcome).toEqual({ code: 0, stdout: "Unit a.service launched on 0acdd9bf...\n", stderr: "" });
  });

  it("returns at once with --no-block", async () => {
    here.fleet.placesNothing = true;
    here.fleet.add("a.service", options(), "inactive");
    const outcome = await shell("start --no-block a");
    expect(outcome).toEqual({ code: 0, stdout: "Triggered unit a.service start\n", stderr: "" });
    expect(here.fleet.units.get("a.service")?.desiredState).toBe("launched");
  });

  it("does not wait for a global unit", async () => {
    here.fleet.placesNothing = true;
    await file("g.service", `${sleeper}[X-Fleet]\nGlobal=true\n`);
    const outcome = await shell("start ./g.service");
    const stderr = "Triggered global unit g.service start\n";
    expect(outcome).toEqual({ code: 0, stdout: "Unit g.service inactive\n", stderr });
  });

  it("ends with 130 when interrupted", async () => {
    here.fleet.placesNothing = true;
    here.fleet.add("a.service", options(), "inactive");
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 100);
    const { code } = await fleetctl(here.endpoint, ["start", "a"], { signal: interrupt.signal });
    expect(code).toBe(130);
  });

  it("goes on waiting while etcd is away, and says so", async () => {
    here.fleet.add("a.service", options(), "inactive");
    here.fleet.placesNothing = true;
    const starting = shell("start a");
    await until(() => here.fleet.units.get("a.service")?.desiredState === "launched");
    here.fleet.etcdAway = true;
    const polls = (): number =>
      here.fleet.requests.filter((request) => request.endsWith("/units/a.service")).length;
    const before = polls();
    await until(() => polls() > before + 1);
    here.fleet.etcdAway = false;
    here.fleet.placesNothing = false;
    const { code, stdout, stderr } = await starting;
    expect(code).toBe(0);
    expect(stdout).toBe(`Unit a.service launched on ${legend}\n`);
    expect(stderr).toContain("unable to communicate with etcd. Trying again.");
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
