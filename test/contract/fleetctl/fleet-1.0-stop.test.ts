import { describe, expect, it } from "vitest";
import { legend, options, sleeper, useFleetShell } from "./fleet-shell.ts";

const here = useFleetShell();
const { shell } = here;

describe("stop, unload and destroy", () => {
  it("skip unknown units, naming them", async () => {
    here.fleet.add("a.service", options(), "launched");
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
    here.fleet.add("a.service", options(), "launched");
    const line = verb === "cat" ? "cat a!" : `${verb} a a!`;
    expect(await shell(line)).toEqual({
      code: 1,
      stdout: "",
      stderr: 'invalid unit name "a!.service": invalid character "!" in unit name\n',
    });
    expect(here.fleet.requests).toEqual([]);
  });

  it("cannot stop an inactive unit, but stop the others", async () => {
    here.fleet.add("a.service", options(), "inactive");
    here.fleet.add("b.service", options(), "launched");
    expect(await shell("stop a b")).toEqual({
      code: 1,
      stdout: `Unit b.service loaded on ${legend}\n`,
      stderr: "Unable to stop unit a.service in state inactive\nSuccessfully stopped units [b.service].\n",
    });
    expect(here.fleet.units.get("a.service")?.desiredState).toBe("inactive");
  });

  it("cannot stop a global unit that is inactive: the stop would bring it to every machine", async () => {
    here.fleet.add("g.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "inactive");
    expect(await shell("stop g")).toEqual({
      code: 1,
      stdout: "",
      stderr: "Unable to stop unit g.service in state inactive\n",
    });
    expect(here.fleet.units.get("g.service")?.desiredState).toBe("inactive");
  });

  it("say what was destroyed before one could not be", async () => {
    for (const name of ["a.service", "b.service", "c.service"]) here.fleet.add(name, options(), "inactive");
    here.fleet.refused.add("DELETE /units/b.service");
    const { code, stdout, stderr } = await shell("destroy a b c");
    expect([code, stdout]).toEqual([1, "Destroyed a.service\nDestroyed c.service\n"]);
    expect(stderr).toContain(
      "Error destroying units: b.service: fleet server unable to communicate with etcd\n",
    );
  });

  it("look for no similar names of many unknown ones", async () => {
    here.fleet.add("a1.service", options(), "inactive");
    const names = Array.from({ length: 30 }, (_, index) => `unknown${index}`);
    expect((await shell(`stop ${names.join(" ")}`)).code).toBe(0);
    // That for the units themselves, and none for names to compare with.
    expect(here.fleet.requests).toEqual(["GET /units"]);
  });

  it("unload a unit that was never placed", async () => {
    here.fleet.placesNothing = true;
    here.fleet.add("a.service", options(), "inactive");
    const unit = here.fleet.units.get("a.service");
    if (unit !== undefined) unit.desiredState = "launched";
    const { code, stdout } = await shell("unload a");
    expect([code, stdout]).toEqual([0, "Unit a.service inactive\n"]);
    expect(unit?.desiredState).toBe("inactive");
  });

  it("do not claim success with --no-block", async () => {
    here.fleet.add("a.service", options(), "launched");
    const outcome = await shell("stop --no-block a");
    expect(outcome).toEqual({ code: 0, stdout: "Triggered unit a.service stop\n", stderr: "" });
  });
});
