import {
  type DryRun,
  type DryRunStep,
  dryRun,
  type Hypothesis,
  requirementsOf,
  type TargetState,
  type Unit,
} from "@fleet/core";
import { describe, expect, test } from "vitest";
import { Cluster } from "./spoken-cluster.ts";

const nothing: Hypothesis = { units: [], destroyed: [], drained: [], lost: [] };

/** What would come of it, in short lines. The cluster itself stays as it is. */
function told(cluster: Cluster, hypothesis: Partial<Hypothesis>): readonly string[] {
  const { steps, waiting } = ranDry(cluster, { ...nothing, ...hypothesis });
  return [...steps.map(line), ...waiting.map((unit) => `${unit} waits`)];
}

function line(step: DryRunStep): string {
  switch (step.kind) {
    case "stop":
      return `stop ${step.unit} on ${step.machineId}: ${step.reason.kind}${step.waits ? ", waits" : ""}`;
    case "update":
      return `update ${step.assignment.unit} on ${step.assignment.machineId}`;
    case "place": {
      const { unit, machineId } = step.assignment;
      if (step.from === undefined) return `place ${unit} on ${machineId}: ${step.reason.kind}`;
      return `move ${unit} from ${step.from.machineId} to ${machineId}: ${step.from.reason.kind}`;
    }
  }
}

function ranDry(cluster: Cluster, hypothesis: Hypothesis): DryRun {
  const model = cluster.registry.rebuilt();
  // As the engine notes it with every assignment of an exclusive unit.
  for (const { machineId, unit: name } of cluster.registry.assignments.values()) {
    const exclusive = model.readableUnit(name)?.requirements.exclusive;
    if (exclusive === undefined) continue;
    model.setExclusiveHold(name, { machineId, registration: 1, stopMs: exclusive.stopMs });
  }
  const work = dryRun(model, hypothesis);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

function unit(name: string, xFleet: readonly string[] = [], target: TargetState = "launched"): Unit {
  const options = xFleet.map((line) => {
    const [key = "", ...value] = line.split("=");
    return { section: "X-Fleet", name: key, value: value.join("=") };
  });
  const requirements = requirementsOf(name, options);
  return { name, hash: `new ${name}`, target, generation: 1_000, changedAt: 1_000, requirements };
}

function three(): Cluster {
  return new Cluster().machine("m1").machine("m2").machine("m3");
}

describe("a dry run", () => {
  test("of nothing has no steps, also where something is under way already", () => {
    const cluster = three().unit("a.service");
    expect(told(cluster, {})).toEqual([]);
    cluster.settle();
    expect(told(cluster, {})).toEqual([]);
  });

  test("units that would be submitted are placed, or wait", () => {
    const cluster = three().unit("a.service").settle();
    const units = [unit("b.service"), unit("c.service", ["MachineMetadata=k=1"])];
    expect(told(cluster, { units })).toEqual(["place b.service on m2: least_loaded", "c.service waits"]);
  });

  test("a machine that leaves: its units move, a follower behind its peer", () => {
    const cluster = three()
      .unit("a.service")
      .unit("follower.service", ["MachineOf=a.service"])
      .unit("b.service", ["MachineID=m1"])
      .unit("g.service", ["Global=true"])
      .settle();
    expect(told(cluster, { drained: ["m1"] })).toEqual([
      "move a.service from m1 to m2: machine_leaving",
      "stop b.service on m1: machine_leaving, waits",
      "move follower.service from m1 to m2: machine_leaving",
      "stop g.service on m1: machine_leaving",
      "b.service waits",
    ]);
  });

  test("a machine that is lost: its units are placed elsewhere, an exclusive one after its wait", () => {
    const cluster = new Cluster().machine("m1").machine("m2");
    cluster.unit("a.service", ["Exclusive=true"]).unit("b.service").unit("c.service").settle();
    expect(cluster.where()).toEqual({ "a.service": "m1", "b.service": "m2", "c.service": "m1" });
    cluster.machine("m3");
    expect(told(cluster, { lost: ["m1"] })).toEqual([
      // The exclusive one comes to m2: c.service, which need not wait, has taken the empty machine.
      "move a.service from m1 to m2: machine_gone",
      "move c.service from m1 to m3: machine_gone",
    ]);
  });

  test("what a replacer pushes off moves before it", () => {
    const cluster = three().unit("old.service").settle();
    expect(told(cluster, { units: [unit("new.service", ["Replaces=old.service", "MachineID=m1"])] })).toEqual(
      ["move old.service from m1 to m2: replaced", "place new.service on m1: least_loaded"],
    );
  });

  test("what is placed and pushed off again in one plan is placed once", () => {
    const units = [unit("b.service"), unit("r.service", ["Replaces=b.service", "MachineID=m1"])];
    expect(told(three(), { units })).toEqual([
      "place r.service on m1: least_loaded",
      "place b.service on m2: least_loaded",
    ]);
  });

  test("a unit that is destroyed or stopped makes room for one that waits", () => {
    const cluster = new Cluster().machine("m1").unit("a.service", ["Conflicts=b.service"]).settle();
    cluster.unit("b.service").settle();
    expect(told(cluster, { destroyed: ["a.service"] })).toEqual([
      "stop a.service on m1: destroyed",
      "place b.service on m1: least_loaded",
    ]);
    expect(told(cluster, { units: [unit("a.service", ["Conflicts=b.service"], "inactive")] })).toEqual([
      "stop a.service on m1: inactive",
      "place b.service on m1: least_loaded",
    ]);
  });

  test("other content or another target is an update where it is", () => {
    const cluster = new Cluster().machine("m1").unit("a.service", [], "loaded").settle();
    expect(told(cluster, { units: [unit("a.service")] })).toEqual(["update a.service on m1"]);
  });

  test("what waited before, and still does, is no news", () => {
    const cluster = new Cluster().machine("m1").unit("a.service", ["MachineMetadata=k=1"]).settle();
    expect(told(cluster, { units: [unit("b.service")] })).toEqual(["place b.service on m1: least_loaded"]);
  });

  test("a global unit that fits no machine waits", () => {
    const cluster = new Cluster().machine("m1");
    expect(told(cluster, { units: [unit("g.service", ["Global=true", "MachineMetadata=k=1"])] })).toEqual([
      "g.service waits",
    ]);
  });
});
