import { plan } from "@fleet/core";
import { describe, expect, test } from "vitest";
import { Cluster } from "./spoken-cluster.ts";

function three(): Cluster {
  return new Cluster().machine("m1").machine("m2").machine("m3");
}

describe("placing", () => {
  test("units go to the machine with the fewest units, ties to the lowest id", () => {
    const cluster = three();
    for (const name of ["a", "b", "c", "d", "e"]) cluster.unit(`${name}.service`);
    expect(cluster.settle().where()).toEqual({
      "a.service": "m1",
      "b.service": "m2",
      "c.service": "m3",
      "d.service": "m1",
      "e.service": "m2",
    });
  });

  test("an unsteady machine gets what no other machine is able to take, and keeps what it has", () => {
    const cluster = three().unit("a.service");
    cluster.settle();
    const first = cluster.registry.machines.get("m1");
    if (first === undefined) expect.fail("m1 is there");
    cluster.registry.setMachine({ ...first, unsteady: true });
    cluster.unit("b.service").unit("c.service").unit("d.service").unit("e.service");
    cluster.unit("pinned.service", ["MachineID=m1"]).unit("follower.service", ["MachineOf=a.service"]);
    cluster.unit("everywhere.service", ["Global=true"]);
    expect(cluster.settle().where()).toEqual({
      "a.service": "m1",
      "b.service": "m2",
      "c.service": "m3",
      "d.service": "m2",
      "e.service": "m3",
      "everywhere.service": "m1,m2,m3",
      "follower.service": "m1",
      "pinned.service": "m1",
    });
    cluster.unit("one@1.service", ["Conflicts=one@*.service"]);
    cluster.unit("one@2.service", ["Conflicts=one@*.service"]);
    cluster.unit("one@3.service", ["Conflicts=one@*.service"]);
    expect(cluster.settle().where()).toMatchObject({ "one@3.service": "m1" });
    cluster.registry.setMachine({ ...first, unsteady: false });
    expect(cluster.step()).toEqual([]);
  });

  test("a machine that is away keeps what it has and gets nothing; given up, it loses all", () => {
    const cluster = new Cluster().machine("m1").machine("m2").unit("a.service").unit("b.service");
    cluster.settle();
    const { model } = cluster.registry;
    model.setMachineAway("m2");
    expect(cluster.step()).toEqual([]);
    expect([model.isAway("m2"), model.isOpen("m2")]).toEqual([true, false]);
    cluster.unit("pinned.service", ["MachineID=m2"]).unit("c.service");
    expect(cluster.step()).toEqual(["assign c.service to m1"]);
    expect(cluster.why("pinned.service")).toContainEqual({
      kind: "closed",
      why: "away",
      machines: 1,
      machineId: "m2",
    });
    cluster.target("b.service", "inactive");
    expect(cluster.step()).toEqual([]);
    cluster.target("b.service", "launched");
    cluster.registry.removeMachine("m2");
    expect(cluster.step()).toEqual(["withdraw b.service from m2: machine_gone", "assign b.service to m1"]);
    expect(model.isAway("m2")).toBe(false);
  });

  test("inactive units are not placed; loaded ones are", () => {
    const cluster = three().unit("a.service", [], "inactive").unit("b.service", [], "loaded");
    expect(cluster.settle().where()).toEqual({ "b.service": "m1" });
  });

  test("MachineID binds to one machine, by full or short id", () => {
    const cluster = new Cluster().machine("aaaaaaaa1").machine("bbbbbbbb1");
    cluster.unit("a.service", ["MachineID=bbbbbbbb1"]).unit("b.service", ["MachineID=bbbbbbbb"]);
    expect(cluster.settle().where()).toEqual({ "a.service": "bbbbbbbb1", "b.service": "bbbbbbbb1" });
  });

  test.each([
    { ask: ["MachineMetadata=disk=ssd", "MachineMetadata=region=eu"], on: "m2", rule: "different keys: all" },
    { ask: ["MachineMetadata=region=eu", "MachineMetadata=region=us"], on: "m1", rule: "same key: any" },
    { ask: ['MachineMetadata="region=eu" "disk=ssd"'], on: "m2", rule: "several in one line" },
    { ask: ["MachineMetadata=region=mars"], on: undefined, rule: "none fits" },
  ])("MachineMetadata, $rule", ({ ask, on }) => {
    const cluster = new Cluster()
      .machine("m1", { region: "us", disk: "ssd" })
      .machine("m2", { region: "eu", disk: "ssd" })
      .machine("m3", { region: "eu", disk: "hdd" })
      .unit("a.service", ask);
    expect(cluster.settle().where()).toEqual(on === undefined ? {} : { "a.service": on });
  });

  test("a chain of MachineOf is placed together, whatever the order of submission", () => {
    const cluster = three()
      .unit("c.service", ["MachineOf=b.service"])
      .unit("b.service", ["MachineOf=a.service"])
      .unit("z.service")
      .unit("a.service");
    expect(cluster.settle().where()).toEqual({
      "a.service": "m2",
      "b.service": "m2",
      "c.service": "m2",
      "z.service": "m1",
    });
  });

  test("a machine that joins attracts nothing, and takes the next unit", () => {
    const cluster = new Cluster().machine("m1").unit("a.service").unit("b.service").settle();
    cluster.machine("m0").settle().unit("c.service").settle();
    expect(cluster.where()).toEqual({ "a.service": "m1", "b.service": "m1", "c.service": "m0" });
  });

  test("nothing is placed on a leaving machine", () => {
    const cluster = new Cluster().machine("m1", {}, true).unit("a.service").settle();
    expect(cluster.where()).toEqual({});
    expect(cluster.why("a.service")).toEqual([
      { kind: "closed", why: "leaving", machines: 1, machineId: "m1" },
    ]);
  });

  test("without machines, that is the reason", () => {
    const cluster = new Cluster().unit("a.service").settle();
    expect(cluster.why("a.service")).toEqual([{ kind: "no_machine" }]);
  });
});

describe("conflicts", () => {
  test.each([
    { first: [], second: ["Conflicts=a.service"], who: "the newcomer says so" },
    { first: ["Conflicts=b.service"], second: [], who: "the one placed says so" },
    { first: ["Conflicts=*.service"], second: ["Conflicts=*.service"], who: "both say so" },
  ])("keep two units apart when $who", ({ first, second }) => {
    const cluster = new Cluster().machine("m1").unit("a.service", first).settle();
    cluster.unit("b.service", second).settle();
    expect(cluster.where()).toEqual({ "a.service": "m1" });
    expect(cluster.machine("m2").settle().where()).toEqual({ "a.service": "m1", "b.service": "m2" });
  });

  test("one too many waits, says why, and is placed when a machine is free", () => {
    const cluster = three();
    for (const n of [1, 2, 3, 4]) cluster.unit(`web@${n}.service`, ["Conflicts=web@*.service"]);
    cluster.settle();
    expect(cluster.where()).toEqual({
      "web@1.service": "m1",
      "web@2.service": "m2",
      "web@3.service": "m3",
    });
    expect(cluster.why("web@4.service")).toMatchObject([
      {
        kind: "unable",
        machines: 3,
        machineId: "m1",
        obstacle: { cause: "Conflicts", unit: "web@1.service" },
      },
    ]);
    cluster.target("web@2.service", "inactive");
    expect(cluster.step()).toEqual(["withdraw web@2.service from m2: inactive"]);
    expect(cluster.step(), "still being stopped").toEqual([]);
    expect(cluster.agents().step()).toEqual(["assign web@4.service to m2"]);
  });

  test("two placed units that come to conflict: the one changed last leaves", () => {
    const cluster = new Cluster().machine("m1").unit("b.service").unit("a.service").settle();
    cluster.unit("b.service", ["Conflicts=a.service"]);
    expect(cluster.step()).toEqual(["withdraw b.service from m1: conflict"]);
  });
});

describe("leaving", () => {
  test("a changed target or content is updated in place", () => {
    const cluster = three().unit("a.service").settle();
    expect(cluster.target("a.service", "loaded").step()).toEqual(["update a.service on m1"]);
    expect(cluster.unit("a.service").step()).toEqual(["update a.service on m1"]);
  });

  test("units of a lost machine are placed elsewhere at once", () => {
    const cluster = three().unit("a.service").settle();
    cluster.registry.removeMachine("m1");
    expect(cluster.step()).toEqual(["withdraw a.service from m1: machine_gone", "assign a.service to m2"]);
  });

  test("a unit of a leaving machine is placed elsewhere when it has been stopped there", () => {
    const cluster = three().unit("a.service").settle();
    expect(cluster.machine("m1", {}, true).step()).toEqual(["withdraw a.service from m1: machine_leaving"]);
    expect(cluster.step()).toEqual([]);
    expect(cluster.why("a.service")).toEqual([{ kind: "held", machineId: "m1" }]);
    expect(cluster.agents().step()).toEqual(["assign a.service to m2"]);
  });

  test("an assignment that no agent has picked up yet is moved only after the withdrawal is in the store", () => {
    const cluster = three().unit("a.service");
    cluster.step();
    expect(cluster.machine("m1", {}, true).step()).toEqual(["withdraw a.service from m1: machine_leaving"]);
    expect(cluster.step()).toEqual(["assign a.service to m2"]);
  });

  test("metadata that no longer fits moves a unit, and with it the whole chain that follows", () => {
    const cluster = new Cluster()
      .machine("m1", { role: "db" })
      .machine("m2", { role: "db" })
      .unit("a.service", ["MachineMetadata=role=db"])
      .unit("b.service", ["MachineOf=a.service"])
      .unit("c.service", ["MachineOf=b.service"])
      .settle();
    expect(cluster.where()).toEqual({ "a.service": "m1", "b.service": "m1", "c.service": "m1" });
    expect(cluster.machine("m1", { role: "web" }).step()).toEqual([
      "withdraw a.service from m1: machine_metadata",
      "withdraw b.service from m1: machine_of",
      "withdraw c.service from m1: machine_of",
    ]);
    expect(cluster.agents().settle().where()).toEqual({
      "a.service": "m2",
      "b.service": "m2",
      "c.service": "m2",
    });
  });

  test("destroyed units leave", () => {
    const cluster = three().unit("a.service").settle();
    cluster.registry.removeUnit("a.service");
    expect(cluster.step()).toEqual(["withdraw a.service from m1: destroyed"]);
  });

  test("a unit that is no longer global keeps one machine", () => {
    const cluster = three().unit("a.service", ["Global=true"]).settle();
    expect(cluster.unit("a.service").step()).toEqual([
      "withdraw a.service from m2: duplicate",
      "withdraw a.service from m3: duplicate",
      "update a.service on m1",
    ]);
  });
});

describe("global units", () => {
  test("run wherever the metadata matches and nothing conflicts, also on machines that join", () => {
    const cluster = new Cluster()
      .machine("m1", { role: "web" })
      .machine("m2", { role: "db" })
      .machine("m3", { role: "web" })
      .unit("solo.service", ["MachineMetadata=role=web"])
      .settle();
    cluster.unit("g.service", ["Global=true", "MachineMetadata=role=web", "Conflicts=solo.service"]).settle();
    expect(cluster.where()).toEqual({ "g.service": "m3", "solo.service": "m1" });
    expect(cluster.machine("m4", { role: "web" }).settle().where()).toMatchObject({ "g.service": "m3,m4" });
    expect(cluster.target("solo.service", "inactive").settle().where()).toEqual({
      "g.service": "m1,m3,m4",
    });
  });

  test("one that is still being stopped on a machine waits there", () => {
    const cluster = new Cluster().machine("m1").unit("g.service", ["Global=true"]).settle();
    cluster.target("g.service", "inactive").step();
    expect(cluster.target("g.service", "launched").step()).toEqual([]);
    expect(cluster.agents().step()).toEqual(["assign g.service to m1"]);
  });
});

describe("Replaces", () => {
  test("the replaced unit moves, and the replacing one waits for it on the machine", () => {
    const cluster = new Cluster().machine("m1", { role: "web" }).machine("m2").unit("old.service").settle();
    cluster.unit("new.service", ["Replaces=old.service", "MachineMetadata=role=web"]);
    expect(cluster.step()).toEqual([
      "withdraw old.service from m1: replaced",
      "assign new.service to m1 after old.service",
    ]);
    expect(cluster.agents().settle().where()).toEqual({ "new.service": "m1", "old.service": "m2" });
  });

  test("a unit that could run nowhere else is not pushed off", () => {
    const cluster = new Cluster().machine("m1").unit("old.service").settle();
    cluster.unit("new.service", ["Replaces=old.service"]).settle();
    expect(cluster.where()).toEqual({ "old.service": "m1" });
    expect(cluster.why("new.service")).toMatchObject([
      { kind: "unable", obstacle: { cause: "ReplacesBlocked", unit: "old.service", why: "nowhere_else" } },
    ]);
    expect(cluster.machine("m2").settle().where()).toEqual({ "new.service": "m2", "old.service": "m1" });
  });

  test("a pair that replaces each other is ignored", () => {
    const cluster = new Cluster()
      .machine("m1")
      .machine("m2", {}, true)
      .unit("a.service", ["Replaces=b.service"])
      .unit("b.service", ["Replaces=a.service"])
      .settle();
    expect(cluster.where()).toEqual({ "a.service": "m1", "b.service": "m1" });
  });

  test("a ring of three comes to rest", () => {
    const cluster = three()
      .unit("a.service", ["Replaces=b.service"])
      .unit("b.service", ["Replaces=c.service"])
      .unit("c.service", ["Replaces=a.service"]);
    expect(Object.values(cluster.settle().where()).sort()).toEqual(["m1", "m2", "m3"]);
    cluster.registry.removeMachine("m3");
    cluster.settle();
    cluster.registry.removeMachine("m2");
    expect(Object.keys(cluster.settle().where())).toHaveLength(1);
  });
});

describe("registrations", () => {
  test("a machine is settled after everything it should run is assigned", () => {
    const cluster = new Cluster().unit("g.service", ["Global=true"]).unit("a.service");
    expect(cluster.machine("m1").step()).toEqual([
      "assign g.service to m1",
      "assign a.service to m1",
      "settle m1",
    ]);
    expect(cluster.step()).toEqual([]);
  });

  test("a machine that comes back keeps what it still runs", () => {
    const cluster = new Cluster().machine("m1").unit("g.service", ["Global=true"]);
    cluster.unit("pinned.service", ["MachineID=m1"]).settle();
    cluster.registry.removeMachine("m1");
    cluster.step();
    cluster.machine("m1");
    cluster.registry.setRow("m1", "g.service");
    cluster.registry.setRow("m1", "pinned.service");
    expect(cluster.step()).toEqual(["assign g.service to m1", "assign pinned.service to m1", "settle m1"]);
  });

  test("a global unit that leaves another machine in the same plan is kept as well", () => {
    const cluster = new Cluster().machine("m1").machine("m2").unit("g.service", ["Global=true"]).settle();
    cluster.registry.removeMachine("m1");
    cluster.step();
    cluster.machine("m1").machine("m2", {}, true);
    cluster.registry.setRow("m1", "g.service");
    expect(cluster.step()).toEqual([
      "withdraw g.service from m2: machine_leaving",
      "assign g.service to m1",
      "settle m1",
    ]);
  });

  test("none is settled while something is left for the next round", () => {
    const cluster = new Cluster().machine("m1").unit("a.service").unit("b.service");
    const { model } = cluster.registry;
    const first = plan(model, model.takeDirty(2)).steps;
    expect(first.some(({ kind }) => kind === "settle")).toBe(false);
    cluster.registry.carryOut(first);
    expect(cluster.settle().registry.settled.has("m1")).toBe(true);
  });
});

describe("records that cannot be read", () => {
  test("a unit keeps its place, and is not placed", () => {
    const cluster = three().unit("a.service").settle();
    cluster.registry.corruptUnit("a.service");
    cluster.registry.corruptUnit("b.service");
    expect(cluster.step()).toEqual([]);
    expect(cluster.where()).toEqual({ "a.service": "m1" });
  });

  test.each([
    ["global", ["Global=true"]],
    ["ordinary", ["MachineID=m1"]],
  ])("a machine that comes back keeps what it has of a %s unit, until that can be read", (_, xFleet) => {
    const cluster = three().unit("g.service", xFleet).settle();
    const unit = cluster.registry.units.get("g.service");
    cluster.registry.removeMachine("m1");
    cluster.step();
    cluster.registry.corruptUnit("g.service");
    cluster.step();
    cluster.machine("m1");
    expect(cluster.step()).toEqual(["settle m1 sparing g.service"]);
    // It tells of what it has as soon as it is registered, which may be later than this.
    cluster.registry.setRow("m1", "g.service");
    expect(cluster.step()).toEqual([]);
    if (unit !== undefined) cluster.registry.setUnit(unit);
    expect(cluster.step()).toEqual(["assign g.service to m1", "settle m1"]);
    expect(cluster.settle().step()).toEqual([]);
  });

  test("that a kept unit comes to have an assignment which cannot be read either is no news", () => {
    const cluster = new Cluster();
    cluster.registry.corruptUnit("g.service");
    cluster.machine("m1").step();
    cluster.registry.corruptAssignment("m1", "g.service");
    expect(cluster.step()).toEqual([]);
    cluster.registry.model.markAllDirty();
    expect(cluster.step()).toEqual([]);
  });

  test("a unit that was taken away while it could be read has to go, whatever becomes of its record", () => {
    const cluster = three().unit("g.service", ["Global=true"]).settle();
    cluster.target("g.service", "inactive").step();
    cluster.registry.corruptUnit("g.service");
    expect(cluster.step()).toEqual([]);
  });

  test("a unit that comes to be destroyed, or to be for another machine, is not kept any longer", () => {
    const cluster = three();
    cluster.registry.corruptUnit("gone.service");
    cluster.registry.corruptUnit("other.service");
    expect(cluster.step()).toContain("settle m1 sparing gone.service,other.service");
    cluster.registry.setRow("m1", "gone.service");
    cluster.registry.setRow("m1", "other.service");
    cluster.registry.removeUnit("gone.service");
    expect(cluster.step()).toContain("settle m1 sparing other.service");
    cluster.unit("other.service", ["MachineID=m2"]);
    expect(cluster.step()).toEqual(["settle m1", "settle m2", "settle m3"]);
    expect(cluster.settle().where()).toEqual({ "other.service": "m2" });
  });

  test("are a thousand at most that a machine is told the names of", () => {
    const cluster = new Cluster().machine("m1");
    for (let number = 0; number < 1001; number += 1) cluster.registry.corruptUnit(`u${number}.service`);
    expect(cluster.step()).toEqual(["settle m1 sparing all"]);
    cluster.registry.removeUnit("u0.service");
    expect(cluster.step()[0]?.split(",")).toHaveLength(1000);
    expect(cluster.step()).toEqual([]);
  });

  test("are looked through once for all machines that are to be told of them, and not for each", () => {
    const cluster = new Cluster();
    for (let number = 0; number < 2_000; number += 1) cluster.machine(`m${number}`);
    for (let number = 0; number < 40_000; number += 1) cluster.registry.corruptUnit(`u${number}.service`);
    const startedMs = performance.now();
    expect(cluster.step()).toHaveLength(2_000);
    // Each machine by itself takes four times as long.
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  test("a machine keeps its units, and gets none", () => {
    const cluster = new Cluster().machine("m1").unit("a.service").settle();
    cluster.registry.corruptMachine("m1");
    cluster.unit("b.service").settle();
    expect(cluster.where()).toEqual({ "a.service": "m1" });
    expect(cluster.why("b.service")).toEqual([
      { kind: "closed", why: "unreadable", machines: 1, machineId: "m1" },
    ]);
  });

  test("an assignment holds: its unit is not placed a second time", () => {
    const cluster = three().unit("a.service").settle();
    cluster.registry.corruptAssignment("m1", "a.service");
    cluster.target("a.service", "inactive");
    expect(cluster.step()).toEqual([]);
  });
});
