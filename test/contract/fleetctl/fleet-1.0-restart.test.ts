import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fleetctl } from "./command-line.ts";
import { legend, options, useFleetShell } from "./fleet-shell.ts";

const here = useFleetShell();
const { shell } = here;

const alone =
  "This server cannot carry a restart out by itself: fleetctl does, one unit after the other, and must not end.\n";

function wrote(): readonly string[] {
  return here.fleet.requests.filter((request) => request.startsWith("P"));
}

describe("restart on a server that knows only fleet 1.0's API", () => {
  it("stops and starts one unit after the other, and says that it does", async () => {
    here.fleet.add("a.service", options(), "launched");
    here.fleet.add("b.service", options(), "launched");
    expect(await shell("restart a b")).toEqual({
      code: 0,
      stdout: ["a", "b"]
        .map(
          (name) => `Unit ${name}.service loaded on ${legend}\nUnit ${name}.service launched on ${legend}\n`,
        )
        .join(""),
      stderr: alone,
    });
    expect(wrote()).toEqual([
      "POST /restarts",
      "PUT /units/a.service",
      "PUT /units/a.service",
      "PUT /units/b.service",
      "PUT /units/b.service",
    ]);
  });

  it("starts a unit that is loaded", async () => {
    here.fleet.add("a.service", options(), "loaded");
    const { code, stdout } = await shell("restart a");
    expect([code, stdout]).toEqual([0, `Unit a.service launched on ${legend}\n`]);
    expect(wrote()).toEqual(["POST /restarts", "PUT /units/a.service"]);
  });

  it("ends at the first unit that fails, and names those left", async () => {
    for (const name of ["a", "b", "c"]) here.fleet.add(`${name}.service`, options(), "launched");
    here.fleet.reports.set("b.service", [
      { active: "activating", sub: "start" },
      { active: "failed", sub: "failed" },
    ]);
    const { code, stderr } = await shell("restart a b c");
    expect(code).toBe(1);
    expect(stderr).toContain("unit b.service failed on machine 0acdd9bf...: systemd reports failed (failed)");
    expect(stderr).toMatch(/Not restarted: c\.service\n$/);
    expect(wrote()).not.toContain("PUT /units/c.service");
  });

  it("does not claim that a daemon may have taken the request which was gone by then", async () => {
    const unit = {
      name: "a.service",
      options: options(),
      desiredState: "launched",
      currentState: "launched",
    };
    const server = createServer((_request, response) => {
      server.close();
      response.setHeader("connection", "close").end(JSON.stringify(unit));
    });
    const socket = join(here.directory, "leaving.sock");
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const { code, stderr } = await fleetctl(`unix://${socket}`, ["restart", "a"]);
    expect([code, stderr.split("\n")[0]]).toEqual([1, `Error restarting units: connect ENOENT ${socket}`]);
  });

  it("has no requests to cancel, and says so", async () => {
    expect(await shell("restart --cancel=0123456789abcdef")).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "This server has no requests to restart units, and so none to cancel\n" +
        "  It is fleetctl that restarts units there, and nothing goes on when it ends.\n",
    });
    expect(wrote()).toEqual([]);
  });

  it("refuses a global unit and goes on", async () => {
    here.fleet.add(
      "g.service",
      options("[Service]\nExecStart=/bin/true\n[X-Fleet]\nGlobal=true\n"),
      "launched",
    );
    here.fleet.add("a.service", options(), "launched");
    const { code, stderr } = await shell("restart g a");
    expect([code, stderr]).toEqual([1, `${alone}Unable to restart global unit g.service on this server\n`]);
  });
});

describe("restart on any server", () => {
  it("refuses an inactive unit, restarts the others and exits 1", async () => {
    here.fleet.add("a.service", options(), "inactive");
    here.fleet.add("b.service", options(), "launched");
    const { code, stdout, stderr } = await shell("restart a b");
    expect(code).toBe(1);
    expect(stdout).toContain("Unit b.service launched on");
    expect(stderr).toBe(`Unable to restart unit a.service in state inactive\n${alone}`);
  });

  it("skips unknown units, naming them, and exits 0 when none is known or given", async () => {
    expect(await shell("restart a b")).toMatchObject({ code: 0, stderr: "Units not found in registry\n" });
    expect(await shell("restart")).toEqual({ code: 0, stdout: "", stderr: "No units given\n" });
    expect(here.fleet.requests.filter((request) => request.startsWith("P"))).toEqual([]);
  });

  it("refuses to restart none at a time", async () => {
    expect(await shell("restart --parallel=0 a")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('invalid value "0" for flag --parallel'),
    });
  });
});
