import { describe, expect, it } from "vitest";
import { useLabCluster } from "./lab-cluster.ts";

const lab = useLabCluster({
  machines: [{ metadata: { number: "1" } }, { metadata: { number: "2" } }, { metadata: { number: "3" } }],
});

const STOP_SECONDS = 3;

/** A unit whose ExecStop takes its time. */
const slowToStop = (...xFleet: readonly string[]): string =>
  lab.recordingService({ stopSeconds: STOP_SECONDS, xFleet });

/** How long each ExecStop of the unit took: less than STOP_SECONDS is one that was cut short. */
function stopTimesMs(unit: string): readonly number[] {
  const events = lab.events().filter((event) => event.unit === unit);
  return events.flatMap(({ what, atMs }, index) =>
    what === "stopping" ? [(events[index + 1]?.atMs ?? Number.NaN) - atMs] : [],
  );
}

function expectWholeStops(unit: string, count: number): void {
  const times = stopTimesMs(unit);
  expect(times).toHaveLength(count);
  for (const ms of times) expect(ms).toBeGreaterThanOrEqual(STOP_SECONDS * 1_000);
}

const movedFromFirstTo = (machine: string): readonly string[] => [
  "m1 start",
  "m1 stopping",
  "m1 stopped with file",
  `${machine} start`,
];

describe("ExecStop ends before the unit starts elsewhere", () => {
  it("when its machine leaves", async () => {
    await lab.start({ "s.service": slowToStop() });
    const leaving = lab.machine("m1").stopFleetd();
    await lab.untilEvents("s.service", 4);
    expect(await leaving).toBe(0);
    expect(lab.history("s.service")).toEqual(movedFromFirstTo("m2"));
    expectWholeStops("s.service", 1);
    expect(lab.hasUnitFile("s.service", "m1")).toBe(false);
  });

  it("when a conflict with its neighbour appears", async () => {
    await lab.start({
      "s.service": slowToStop(),
      "m1-only.service": lab.recordingService({ xFleet: [`MachineID=${lab.machine("m1").id}`] }),
    });
    await lab.untilActive(["m1-only.service m1", "s.service m1"]);
    const [path = ""] = lab.unitFiles({ "s.service": slowToStop("Conflicts=m1-only.service") });
    await lab.fleetctlOk("start", "--replace", path);
    await lab.untilActive(["m1-only.service m1", "s.service m2"]);
    expect(lab.history("s.service")).toEqual(movedFromFirstTo("m2"));
    expectWholeStops("s.service", 1);
  });

  it("when another unit replaces it", async () => {
    await lab.start({ "s.service": slowToStop() });
    await lab.start({
      "r.service": lab.recordingService({ xFleet: ["Replaces=s.service", "MachineMetadata=number=1"] }),
    });
    await lab.untilActive(["r.service m1", "s.service m2"]);
    expect(lab.history("s.service")).toEqual(movedFromFirstTo("m2"));
    expectWholeStops("s.service", 1);
    const onFirst = lab.events().filter(({ machine }) => machine === "m1");
    expect(onFirst.at(-1)).toMatchObject({ unit: "r.service", what: "start" });
  });

  it("when it is destroyed and submitted again at once, bound to another machine", async () => {
    await lab.start({ "s.service": slowToStop() });
    const [path = ""] = lab.unitFiles({ "s.service": slowToStop(`MachineID=${lab.machine("m3").id}`) });
    await lab.fleetctlOk("destroy", "--no-block", "s.service");
    await lab.fleetctlOk("start", path);
    expect(lab.history("s.service")).toEqual(movedFromFirstTo("m3"));
    expectWholeStops("s.service", 1);
  });
});

describe("ExecStop ends before the unit file goes", () => {
  it("when the unit is stopped, and then unloaded", async () => {
    await lab.start({ "s.service": slowToStop() });
    await lab.fleetctlOk("stop", "s.service");
    await lab.untilEvents("s.service", 3);
    expect(lab.hasUnitFile("s.service", "m1")).toBe(true);
    expect((await lab.cluster.units())[0]).toMatchObject({ currentState: "loaded", desiredState: "loaded" });
    await lab.fleetctlOk("unload", "s.service");
    await lab.cluster.waitFor({
      what: "the unit file to go",
      probe: async () => lab.hasUnitFile("s.service", "m1"),
      until: (present) => !present,
      timeoutMs: 5_000,
    });
    expect(lab.history("s.service")).toEqual(["m1 start", "m1 stopping", "m1 stopped with file"]);
    expectWholeStops("s.service", 1);
  });

  it("when the running unit is unloaded", async () => {
    await lab.start({ "s.service": slowToStop() });
    await lab.fleetctlOk("unload", "s.service");
    expect(lab.history("s.service")).toEqual(["m1 start", "m1 stopping", "m1 stopped with file"]);
    expectWholeStops("s.service", 1);
    expect(lab.hasUnitFile("s.service", "m1")).toBe(false);
  });

  it("when the unit is destroyed; fleetctl waits for it", async () => {
    await lab.start({ "s.service": slowToStop() });
    expect((await lab.fleetctlOk("destroy", "s.service")).stdout).toBe("Destroyed s.service\n");
    expect(lab.history("s.service")).toEqual(["m1 start", "m1 stopping", "m1 stopped with file"]);
    expectWholeStops("s.service", 1);
    expect(lab.hasUnitFile("s.service", "m1")).toBe(false);
    expect(await lab.cluster.states()).toEqual([]);
  });

  it("when the unit is destroyed and submitted again at once", async () => {
    const [path = ""] = lab.unitFiles({ "s.service": slowToStop() });
    await lab.fleetctlOk("start", path);
    await lab.fleetctlOk("destroy", "--no-block", "s.service");
    await lab.fleetctlOk("start", path);
    await lab.untilEvents("s.service", 4);
    const history = lab.history("s.service");
    expect(history.slice(0, 3)).toEqual(["m1 start", "m1 stopping", "m1 stopped with file"]);
    expect(history[3]).toMatch(/^m\d start$/);
    expect(history).toHaveLength(4);
    expectWholeStops("s.service", 1);
  });
});

describe("ExecStop ends before the unit starts again on its machine", () => {
  const restarted = ["m1 start", "m1 stopping", "m1 stopped with file", "m1 start"];

  it("when it is stopped and started at once", async () => {
    await lab.start({ "s.service": slowToStop() });
    await lab.fleetctlOk("stop", "--no-block", "s.service");
    await lab.untilEvents("s.service", 2);
    await lab.fleetctlOk("start", "s.service");
    await lab.untilEvents("s.service", 4);
    await lab.untilActive(["s.service m1"]);
    expect(lab.history("s.service")).toEqual(restarted);
    expectWholeStops("s.service", 1);
  });

  it("when its unit file is replaced", async () => {
    await lab.start({ "s.service": slowToStop() });
    const before = await lab.state("s.service", "m1");
    const [path = ""] = lab.unitFiles({ "s.service": `${slowToStop()}[Unit]\nDescription=anew\n` });
    await lab.fleetctlOk("start", "--replace", path);
    await lab.untilEvents("s.service", 4);
    await lab.untilActive(["s.service m1"]);
    expect(lab.history("s.service")).toEqual(restarted);
    expectWholeStops("s.service", 1);
    expect((await lab.state("s.service", "m1"))?.hash).not.toBe(before?.hash);
  });
});

describe("a fleetd that is killed while a unit stops", () => {
  it("finishes the stop after its restart, before the unit goes elsewhere", async () => {
    await lab.start({ "s.service": slowToStop() });
    const [path = ""] = lab.unitFiles({ "s.service": slowToStop(`MachineID=${lab.machine("m3").id}`) });
    await lab.fleetctlOk("start", "--replace", "--no-block", path);
    await lab.untilEvents("s.service", 2);
    await lab.machine("m1").killFleetd();
    await lab.machine("m1").startFleetd();
    await lab.untilActive(["s.service m3"]);
    expect(lab.history("s.service")).toEqual(movedFromFirstTo("m3"));
    expectWholeStops("s.service", 1);
    expect(lab.hasUnitFile("s.service", "m1")).toBe(false);
  });
});
