import { explainUnit, type Obstacle, type UnitExplanation } from "@fleet/core";
import { describe, expect, test } from "vitest";
import { Cluster } from "./spoken-cluster.ts";

/** The explanation in short lines. */
function told(cluster: Cluster, name: string): readonly string[] {
  const explanation = explained(cluster, name);
  if (explanation === undefined) return ["no such unit"];
  const { verdict, placements, able, causes, nearest } = explanation;
  return [
    verdict,
    ...placements.map(({ machineId, verdict: there }) => `on ${machineId}: ${there.kind}`),
    ...(able === undefined ? [] : [`able ${able.machines} from ${able.machineId}`]),
    ...causes.map(({ why, machines, examples }) => `${machines} ${wordOf(why)} ${examples.join(" ")}`.trim()),
    ...(nearest === undefined
      ? []
      : [`nearest ${nearest.machineId}: ${nearest.obstacles.map(obstacleWord).join(", ")}`]),
  ];
}

function explained(cluster: Cluster, name: string): UnitExplanation | undefined {
  const work = explainUnit(cluster.registry.model, name);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

function wordOf(why: UnitExplanation["causes"][number]["why"]): string {
  if (why.kind === "closed") return why.why;
  if (why.kind !== "unable") return why.kind;
  return obstacleWord(why.obstacle) + (why.units > 1 ? ` and ${why.units - 1} like it` : "");
}

function obstacleWord(obstacle: Obstacle): string {
  switch (obstacle.cause) {
    case "MachineID":
      return `MachineID=${obstacle.required}`;
    case "MachineMetadata":
      return `${obstacle.key}=${obstacle.accepted.join("|")}`;
    case "MachineOf":
      return `MachineOf=${obstacle.peer}`;
    case "ReplacesBlocked":
      return `${obstacle.cause} ${obstacle.unit} ${obstacle.why}`;
    default:
      return `${obstacle.cause} ${obstacle.unit}`;
  }
}

describe("a unit that waits", () => {
  test("machines are counted by what differs for the user, the most frequent first", () => {
    const cluster = new Cluster();
    for (const id of ["m1", "m2", "m3"]) cluster.machine(id, { region: "us" });
    for (const id of ["m4", "m5"]) cluster.machine(id, { region: "eu" });
    cluster.machine("m6", { region: "eu" }, true);
    cluster.unit("apache@1.service", ["Global=true", "MachineMetadata=region=eu"]).settle();
    cluster.unit("web.service", ["MachineMetadata=region=eu", "Conflicts=apache@*"]).settle();
    expect(told(cluster, "web.service")).toEqual([
      "waiting",
      "3 region=eu m1 m2 m3",
      "2 Conflicts apache@1.service m4 m5",
      "1 leaving m6",
      "nearest m1: region=eu",
    ]);
  });

  test("two keys that are missing on different machines are two causes", () => {
    const cluster = new Cluster().machine("m1", { disk: "ssd" }).machine("m2", { region: "eu" });
    cluster.unit("db.service", ["MachineMetadata=region=eu", "MachineMetadata=disk=ssd"]).settle();
    expect(told(cluster, "db.service")).toEqual([
      "waiting",
      "1 disk=ssd m2",
      "1 region=eu m1",
      "nearest m1: region=eu",
    ]);
  });

  test("instances that one glob keeps away are one cause", () => {
    const cluster = new Cluster().machine("m1").machine("m2");
    for (const name of ["w@1.service", "w@2.service", "w@3.service"]) cluster.unit(name, ["Conflicts=w@*"]);
    cluster.settle();
    expect(told(cluster, "w@3.service")).toEqual([
      "waiting",
      "2 Conflicts w@1.service and 1 like it m1 m2",
      "nearest m1: Conflicts w@1.service",
    ]);
  });

  test("the nearest machine is the one with the fewest obstacles, and all of them are told", () => {
    const cluster = new Cluster()
      .machine("m1", { region: "us" })
      .machine("m2", { region: "us" })
      .unit("a.service", ["MachineID=m1"])
      .settle();
    cluster.unit("x.service", ["MachineMetadata=region=eu", "MachineOf=gone.service", "Conflicts=a.service"]);
    cluster.settle();
    expect(told(cluster, "x.service")).toEqual([
      "waiting",
      "2 region=eu m1 m2",
      "nearest m2: region=eu, MachineOf=gone.service",
    ]);
  });

  test("without machines, with one that has it still, and with one that holds it exclusively", () => {
    expect(told(new Cluster().unit("a.service"), "a.service")).toEqual(["waiting", "0 no_machine"]);

    const held = new Cluster().machine("m1").machine("m2").unit("a.service").settle();
    held.machine("m1", {}, true).step();
    expect(told(held, "a.service")).toEqual(["waiting", "1 held m1"]);

    const exclusive = new Cluster().machine("m1").unit("a.service", ["Exclusive=true"]);
    exclusive.registry.model.setExclusiveHold("a.service", {
      machineId: "m9",
      registration: 1,
      stopMs: 5_000,
    });
    expect(told(exclusive, "a.service")).toEqual(["waiting", "1 exclusive m9"]);
    expect(explained(exclusive, "a.service")?.causes[0]?.why).toEqual({
      kind: "exclusive",
      machineId: "m9",
      stopMs: 5_000,
    });
  });

  test("nothing in its way: a machine is able, and only the plan is still to come", () => {
    const cluster = new Cluster().machine("m1").machine("m2").unit("a.service");
    expect(told(cluster, "a.service")).toEqual(["waiting", "able 2 from m1"]);
  });

  test("a unit that cannot be pushed off is told of with why", () => {
    const cluster = new Cluster().machine("m1").unit("old.service").settle();
    cluster.unit("new.service", ["Replaces=old.service"]).settle();
    expect(told(cluster, "new.service")).toEqual([
      "waiting",
      "1 ReplacesBlocked old.service nowhere_else m1",
      "nearest m1: ReplacesBlocked old.service nowhere_else",
    ]);
  });
});

describe("a unit that is placed", () => {
  test("it says whether it still fits, and how many other machines would do", () => {
    const cluster = new Cluster().machine("m1", { k: "1" }).machine("m2", { k: "1" }).machine("m3");
    cluster.unit("a.service", ["MachineMetadata=k=1"]).settle();
    expect(told(cluster, "a.service")).toEqual([
      "placed",
      "on m1: able",
      "able 1 from m2",
      "1 k=1 m3",
      "nearest m3: k=1",
    ]);
    cluster.machine("m1", { k: "2" });
    expect(told(cluster, "a.service")[1]).toBe("on m1: unable");
    cluster.machine("m1", { k: "1" }, true);
    expect(told(cluster, "a.service")[1]).toBe("on m1: closed");
  });

  test("a global unit has a placement for each machine, and causes for the others", () => {
    const cluster = new Cluster().machine("m1", { k: "1" }).machine("m2").machine("m3", { k: "1" });
    cluster.unit("g.service", ["Global=true", "MachineMetadata=k=1"]).settle();
    expect(told(cluster, "g.service")).toEqual([
      "placed",
      "on m1: able",
      "on m3: able",
      "1 k=1 m2",
      "nearest m2: k=1",
    ]);
  });
});

test("other units", () => {
  const cluster = new Cluster().machine("m1").unit("i.service", [], "inactive");
  cluster.registry.corruptUnit("c.service");
  expect(told(cluster, "i.service")).toEqual(["inactive"]);
  expect(told(cluster, "c.service")).toEqual(["unreadable"]);
  expect(told(cluster, "none.service")).toEqual(["no such unit"]);
});
