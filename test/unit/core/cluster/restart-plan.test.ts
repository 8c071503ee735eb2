import {
  ClusterModel,
  plan,
  planRestarts,
  type Restart,
  type RestartReport,
  type RestartStep,
  type TargetState,
} from "@fleet/core";
import { describe, expect, test } from "vitest";

const requirements = {
  machineId: undefined,
  machineOf: [],
  metadata: new Map(),
  conflicts: [],
  replaces: [],
  global: false,
};

/** A cluster in which everything assigned has its row. */
class World {
  readonly model = new ClusterModel();
  #revision = 100;

  machine(id: string): void {
    const registration = this.#next();
    this.model.setMachine({ id, publicIp: "", metadata: new Map(), registration, leaving: false });
    this.model.setSettled(id, { registration });
  }

  leave(id: string): void {
    const machine = this.model.machine(id);
    if (machine !== undefined) this.model.setMachine({ ...machine, leaving: true });
  }

  unit(name: string, on: readonly string[], target: TargetState = "launched", global = false): void {
    const changedAt = this.#next();
    const common = { hash: "h", generation: changedAt };
    this.model.setUnit({ ...common, name, target, changedAt, requirements: { ...requirements, global } });
    if (target === "inactive") return;
    for (const machineId of on) {
      this.model.setAssignment({ ...common, machineId, unit: name, target, awaits: [] });
      this.model.setState(machineId, name);
    }
  }

  request(id: string, number: number, units: readonly string[], more: Partial<Restart> = {}): void {
    this.model.restarts.set({ id, number, units, parallel: 1, state: "running", steps: [], ...more });
  }

  report(machineId: string, unit: string, number: number, row: Partial<RestartReport> = {}): void {
    const report: RestartReport = {
      outcome: { number },
      hash: "h",
      launched: true,
      active: "active",
      sub: "running",
      ...row,
    };
    this.model.restarts.setReport(machineId, unit, report);
  }

  /** What planRestarts decides, in words, which become true at once. */
  decide(): readonly string[] {
    return planRestarts(this.model).map((change) => {
      if (change.kind === "forget") {
        this.model.restarts.remove(change.id);
        return `forget ${change.id}`;
      }
      const { restart, progress } = change;
      this.model.restarts.set({ ...restart, ...progress });
      return [`${restart.id} ${progress.state}:`, ...progress.steps.map(word)].join(" ");
    });
  }

  /** The restarts that a plan writes into assignments, with `-` for one that is taken away. */
  orders(): readonly string[] {
    const { steps } = plan(this.model, this.model.takeDirty());
    return steps.flatMap((step) => {
      if (step.kind !== "update" && step.kind !== "assign") return [];
      const { machineId, unit, restart = "-" } = step.assignment;
      this.model.setAssignment(step.assignment);
      return [`${unit} ${machineId} ${restart}`];
    });
  }

  #next(): number {
    this.#revision += 1;
    return this.#revision;
  }
}

function word({ unit, machineId = "?", state, message }: RestartStep): string {
  return `${unit}@${machineId}=${state}${message === undefined ? "" : `(${message})`}`;
}

function threeUnits(): World {
  const world = new World();
  for (const id of ["m1", "m2", "m3"]) world.machine(id);
  world.unit("a", ["m1"]);
  world.unit("b", ["m2"]);
  world.unit("c", ["m3"]);
  world.model.takeDirty();
  return world;
}

describe("a request to restart units", () => {
  test("gives one unit its turn after the other, and orders it while that lasts", () => {
    const world = threeUnits();
    world.request("r", 7, ["b", "a"]);
    expect(world.decide()).toEqual(["r running: b@m2=restarting"]);
    expect(world.orders()).toEqual(["b m2 7"]);
    expect(world.decide()).toEqual([]);
    world.report("m2", "b", 7);
    expect(world.decide()).toEqual(["r running: b@m2=done a@m1=restarting"]);
    expect(world.orders()).toEqual(["a m1 7", "b m2 -"]);
    world.report("m1", "a", 7);
    expect(world.decide()).toEqual(["r done: b@m2=done a@m1=done"]);
    expect(world.orders()).toEqual(["a m1 -"]);
    expect(world.decide()).toEqual([]);
  });

  test("gives as many their turn at once as it may", () => {
    const world = threeUnits();
    world.request("r", 7, ["a", "b", "c"], { parallel: 2 });
    expect(world.decide()).toEqual(["r running: a@m1=restarting b@m2=restarting"]);
    world.report("m2", "b", 7);
    expect(world.decide()).toEqual(["r running: a@m1=restarting b@m2=done c@m3=restarting"]);
  });

  test.each<readonly [string, Partial<RestartReport>, string]>([
    ["active", {}, "done"],
    ["reloading", { active: "reloading" }, "done"],
    ["a oneshot that has finished", { active: "inactive", sub: "dead" }, "done"],
    ["still starting", { active: "activating", sub: "start-pre" }, "restarting"],
    ["stopping", { active: "deactivating", sub: "stop" }, "restarting"],
    ["not asked to start", { launched: false }, "restarting"],
    ["restarted by an earlier request", { outcome: { number: 6 } }, "restarting"],
    ["restarted by a later request", { outcome: { number: 8 } }, "done"],
    ["of other content than is to run", { outcome: { number: 8 }, hash: "former" }, "restarting"],
    ["failed", { active: "failed", sub: "failed" }, "failed(systemd reports failed (failed))"],
    [
      "crash-looping",
      { active: "activating", sub: "auto-restart" },
      "failed(it ended at once, and systemd tries to start it again)",
    ],
    [
      "crash-looping, as systemd 254 and later say it",
      { active: "activating", sub: "auto-restart-queued" },
      "failed(it ended at once, and systemd tries to start it again)",
    ],
    ["refused", { outcome: { number: 7, refused: "bad setting" } }, "failed(bad setting)"],
  ])("takes a row that is %s for what it is", (_, row, verdict) => {
    const world = threeUnits();
    world.request("r", 7, ["a"], { steps: [{ unit: "a", machineId: "m1", state: "restarting" }] });
    world.report("m1", "a", 7, row);
    world.decide();
    const [step] = [...world.model.restarts.running(), ...world.model.restarts.ended()][0]?.steps ?? [];
    expect(step && word(step)).toBe(`a@m1=${verdict}`);
  });

  test("stops at the first that fails, once what is under way has ended", () => {
    const world = threeUnits();
    world.unit("d", ["m1"]);
    world.request("r", 7, ["a", "b", "c", "d"], { parallel: 2 });
    world.decide();
    world.report("m1", "a", 7, { active: "failed", sub: "failed" });
    const failed = "a@m1=failed(systemd reports failed (failed))";
    expect(world.decide()).toEqual([`r running: ${failed} b@m2=restarting`]);
    world.report("m2", "b", 7);
    expect(world.decide()).toEqual([`r failed: ${failed} b@m2=done`]);
  });

  test("skips what there is not to restart, before and during its turn", () => {
    const world = threeUnits();
    world.unit("stopped", ["m1"], "loaded");
    world.unit("homeless", []);
    world.request("r", 7, ["gone", "stopped", "homeless", "a"]);
    const skipped = [
      "gone@?=skipped(it was destroyed)",
      "stopped@?=skipped(its target state was changed to loaded)",
      "homeless@?=skipped(no machine runs it)",
    ].join(" ");
    expect(world.decide()).toEqual([`r running: ${skipped} a@m1=restarting`]);
    world.unit("a", ["m1"], "loaded");
    expect(world.decide()).toEqual([
      `r done: ${skipped} a@m1=skipped(its target state was changed to loaded)`,
    ]);
  });

  test("takes a global unit machine by machine, one that comes later included", () => {
    const world = threeUnits();
    world.unit("g", ["m1", "m2"], "launched", true);
    world.model.takeDirty();
    world.request("r", 7, ["g", "a"]);
    expect(world.decide()).toEqual(["r running: g@m1=restarting"]);
    expect(world.orders()).toEqual(["g m1 7"]);
    world.report("m1", "g", 7);
    expect(world.decide()).toEqual(["r running: g@m1=done g@m2=restarting"]);
    expect(world.orders()).toEqual(["g m1 -", "g m2 7"]);
    world.unit("g", ["m1", "m2", "m3"], "launched", true);
    world.report("m2", "g", 7);
    expect(world.decide()).toEqual(["r running: g@m1=done g@m2=done g@m3=restarting"]);
    // A machine that is lost has nothing to restart any more.
    world.model.removeAssignment("m3", "g");
    expect(world.decide()).toEqual([
      "r running: g@m1=done g@m2=done g@m3=skipped(it was taken off the machine) a@m1=restarting",
    ]);
  });

  test("has a unit restarted where it is by then when its machine is lost", () => {
    const world = threeUnits();
    world.request("r", 7, ["a", "b"]);
    world.decide();
    world.orders();
    world.model.removeState("m1", "a");
    world.model.removeAssignment("m1", "a");
    world.model.removeMachine("m1");
    expect(world.decide()).toEqual(["r running: a@?=restarting(it waits for a machine that can run it)"]);
    expect(world.orders()).toEqual(["a m2 7"]);
    expect(world.decide()).toEqual(["r running: a@m2=restarting"]);
    world.report("m2", "a", 7);
    expect(world.decide()).toEqual(["r running: a@m2=done b@m2=restarting"]);
  });

  test.each<readonly [string, Partial<RestartReport>]>([
    ["has ended, as a oneshot would", { active: "inactive", sub: "dead" }],
    ["has failed in being stopped", { active: "failed", sub: "failed" }],
    ["is up, for the moment", {}],
  ])("names the machine where a unit comes up, not the one that is leaving, where it %s", (_, row) => {
    const world = threeUnits();
    world.request("r", 7, ["a", "b"]);
    world.decide();
    world.orders();
    world.leave("m1");
    world.report("m1", "a", 7, row);
    // A new leader hears of all that at once, before it has moved anything.
    expect(world.decide()).toEqual([]);
    world.model.removeAssignment("m1", "a");
    world.model.removeState("m1", "a");
    world.unit("a", ["m2"]);
    expect(world.decide()).toEqual(["r running: a@m2=restarting"]);
    expect(world.orders()).toContain("a m2 7");
    world.report("m2", "a", 7);
    expect(world.decide()).toEqual(["r running: a@m2=done b@m2=restarting"]);
  });

  test("of a global unit goes on when a machine leaves in its turn", () => {
    const world = threeUnits();
    world.unit("g", ["m1", "m2"], "launched", true);
    world.request("r", 7, ["g"]);
    world.decide();
    world.leave("m1");
    world.report("m1", "g", 7, { active: "failed", sub: "failed" });
    expect(world.decide()).toEqual([]);
    world.model.removeAssignment("m1", "g");
    expect(world.decide()).toEqual(["r running: g@m1=skipped(it was taken off the machine) g@m2=restarting"]);
  });

  test("starts what it found stopped on all machines at once, and goes on when all are up", () => {
    const world = threeUnits();
    world.unit("g", ["m1", "m2"], "launched", true);
    world.model.takeDirty();
    world.request("r", 7, ["a", "g"], { steps: [{ unit: "g", state: "restarting" }] });
    expect(world.orders()).toEqual(["g m1 7", "g m2 7"]);
    world.report("m1", "g", 7);
    expect(world.decide()).toEqual([]);
    world.report("m2", "g", 7);
    expect(world.decide()).toEqual(["r running: g@?=done a@m1=restarting"]);
  });

  test("waits while an earlier or later one restarts its unit", () => {
    const world = threeUnits();
    world.request("q", 6, ["a", "b"]);
    world.request("r", 7, ["b", "a"]);
    expect(world.decide()).toEqual(["q running: a@m1=restarting", "r running: b@m2=restarting"]);
    world.report("m1", "a", 6);
    expect(world.decide()).toEqual(["q running: a@m1=done"]);
    world.report("m2", "b", 7);
    // Each hears of the other's end with its record.
    expect(world.decide()).toEqual(["r running: b@m2=done a@m1=restarting"]);
    expect(world.decide()).toEqual(["q done: a@m1=done b@m2=done"]);
  });

  test("does not order what a later one has restarted since, on any machine", () => {
    const world = threeUnits();
    world.unit("g", ["m1", "m2"], "launched", true);
    world.model.takeDirty();
    world.request("r", 7, ["a", "g", "b"]);
    world.report("m1", "a", 8);
    world.report("m2", "g", 8);
    expect(world.decide()).toEqual(["r running: a@m1=done g@m1=restarting"]);
    expect(world.orders()).toEqual(["g m1 7"]);
    world.report("m1", "g", 7);
    expect(world.decide()).toEqual(["r running: a@m1=done g@m1=done g@m2=done b@m2=restarting"]);
    expect(world.orders()).toEqual(["g m1 -", "b m2 7"]);
  });

  test("begins nothing after what a later one has restarted and what has failed since", () => {
    const world = threeUnits();
    world.request("r", 7, ["a", "b"], { parallel: 2 });
    world.report("m1", "a", 8, { active: "failed", sub: "failed" });
    expect(world.decide()).toEqual(["r failed: a@m1=failed(systemd reports failed (failed))"]);
  });

  test("orders the later of two that have one unit's turn, which carries both out", () => {
    const world = threeUnits();
    const step: RestartStep = { unit: "a", state: "restarting" };
    // It was stopped in its turn, and asked for anew before that was seen: its start belongs to the later one.
    world.request("q", 6, ["a"], { steps: [step] });
    world.request("r", 7, ["a"], { steps: [step] });
    expect(world.orders()).toEqual(["a m1 7"]);
    world.report("m1", "a", 7);
    expect(world.decide()).toEqual(["q done: a@m1=done", "r done: a@m1=done"]);
  });

  test("that is cancelled orders nothing any more", () => {
    const world = threeUnits();
    world.request("r", 7, ["a", "b"]);
    world.decide();
    expect(world.orders()).toEqual(["a m1 7"]);
    world.model.restarts.remove("r");
    expect(world.orders()).toEqual(["a m1 -"]);
    expect(world.decide()).toEqual([]);
  });

  test("of more machines than a record can hold fails and says so", () => {
    const world = new World();
    const machines = Array.from({ length: 7_000 }, (_, index) => `m${index}`);
    for (const id of machines) world.machine(id);
    world.unit("g", machines, "launched", true);
    world.request("r", 7, ["g"], { parallel: 1_000 });
    for (let round = 0; round < 10 && world.model.restarts.running().length > 0; round += 1) {
      for (const id of machines) world.report(id, "g", 7);
      planRestarts(world.model).forEach((change) => {
        if (change.kind === "advance") world.model.restarts.set({ ...change.restart, ...change.progress });
      });
    }
    const [ended] = world.model.restarts.ended();
    expect(ended).toMatchObject({ state: "failed", message: expect.stringContaining("too many machines") });
    expect(JSON.stringify(ended).length).toBeLessThan(1_000_000);
  });
});

test("a record stays below what etcd takes, however long names and systemd's reasons are", () => {
  const world = new World();
  for (const id of ["m1", "m2", "m3"]) world.machine(id);
  // As long as names may be; JSON has two characters for each backslash.
  const names = Array.from({ length: 1_000 }, (_, index) => `${"\\".repeat(240)}${1_000 + index}.service`);
  for (const name of names) world.unit(name, ["m1", "m2", "m3"], "launched", true);
  world.request("r", 7, names, { parallel: 1_000 });
  const all = (outcome: RestartReport["outcome"]): void => {
    for (const name of names) for (const id of ["m1", "m2", "m3"]) world.report(id, name, 7, { outcome });
    world.decide();
  };
  world.decide();
  // As many steps as there may be.
  for (const name of names.slice(0, 300)) world.report("m1", name, 7);
  world.decide();
  all({ number: 7, refused: "x".repeat(2_000) });
  const [ended] = world.model.restarts.ended();
  expect(ended?.state).toBe("failed");
  expect(JSON.stringify(ended).length).toBeLessThan(1_400_000);
});

test("of the requests that have ended the latest fifty are kept", () => {
  const world = threeUnits();
  for (let number = 1; number <= 53; number += 1)
    world.request(`r${number}`, number, ["a"], { state: "done" });
  world.request("running", 60, ["a"], { steps: [{ unit: "a", machineId: "m1", state: "restarting" }] });
  expect(world.decide()).toEqual(["forget r1", "forget r2", "forget r3"]);
});
