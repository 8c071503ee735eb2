import { describe, expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

/** A unit that waited must be placed by the event that frees a machine, not by a replan seconds later. */
const FREED_MS = 2_000;

const lab = useLabCluster({
  machines: [
    { metadata: { disk: "ssd", region: "east" } },
    { metadata: { disk: "ssd", region: "west" } },
    { metadata: { disk: "hdd", region: "west" } },
  ],
});

const service = (...xFleet: readonly string[]): string => serviceText({ xFleet });

describe("MachineID", () => {
  it("binds a unit to one machine, by its full or its short id", async () => {
    const { id, shortId } = lab.machine("m3");
    await lab.start({
      "full.service": service(`MachineID=${id}`),
      "short.service": service(`MachineID=${shortId}`),
    });
    await lab.untilActive(["full.service m3", "short.service m3"]);
    expect(await lab.machinesRunning("full.service")).toEqual(["m3"]);
  });
});

describe("MachineOf", () => {
  const chain = {
    "middle.service": service("MachineOf=base.service"),
    "top.service": service("MachineOf=middle.service"),
  };

  it("keeps a chain of three together, whichever comes first", async () => {
    for (const path of lab.unitFiles(chain)) await lab.fleetctlOk("start", "--no-block", path);
    expect(await lab.placements()).toEqual({});
    await lab.start({ "base.service": service(`MachineID=${lab.machine("m2").id}`) });
    await lab.untilActive(["base.service m2", "middle.service m2", "top.service m2"]);
  });

  it("moves the chain together when its machine leaves", async () => {
    await lab.start({ "base.service": service("MachineMetadata=region=west"), ...chain });
    await lab.untilActive(["base.service m2", "middle.service m2", "top.service m2"]);
    expect(await lab.machine("m2").stopFleetd()).toBe(0);
    await lab.untilActive(["base.service m3", "middle.service m3", "top.service m3"]);
    expect(await lab.machine("m2").systemctl("is-active", "base.service")).not.toMatchObject({ exitCode: 0 });
  });

  it("moves the chain together when its machine is lost", async () => {
    await lab.start({ "base.service": service("MachineMetadata=region=west"), ...chain });
    await lab.untilActive(["base.service m2", "middle.service m2", "top.service m2"]);
    await lab.machine("m2").kill();
    await lab.untilActive(["base.service m3", "middle.service m3", "top.service m3"]);
  });
});

describe("MachineMetadata", () => {
  it("asks for all of several keys", async () => {
    await lab.start({
      "lines.service": service("MachineMetadata=disk=ssd", "MachineMetadata=region=west"),
      "quoted.service": service('MachineMetadata="disk=ssd" "region=west"'),
      "plain.service": service("MachineMetadata=disk=ssd region=west"),
    });
    await lab.untilActive(["lines.service m2", "plain.service m2", "quoted.service m2"]);
  });

  it("takes any of several values of one key, the emptiest machine first", async () => {
    const either = service(
      "MachineMetadata=region=east",
      "MachineMetadata=region=west",
      "MachineMetadata=disk=hdd",
    );
    const ssd = service("MachineMetadata=disk=ssd", "MachineMetadata=disk=nvme");
    await lab.start({ "either.service": either, "a.service": ssd, "b.service": ssd });
    await lab.untilActive(["a.service m1", "b.service m2", "either.service m3"]);
  });

  it("leaves a unit that no machine fits waiting", async () => {
    const [path = ""] = lab.unitFiles({
      "nowhere.service": service("MachineMetadata=disk=ssd", "MachineMetadata=region=north"),
    });
    await lab.fleetctlOk("start", "--no-block", path);
    await lab.start({ "after.service": service() });
    expect(await lab.placements()).toEqual({ "after.service": "m1" });
  });
});

describe("Conflicts", () => {
  it("keeps away units with the option and without it, in both orders", async () => {
    await lab.start({
      "plain-1.service": service("MachineMetadata=disk=hdd"),
      "shy-1.service": service("Conflicts=plain-*", "MachineMetadata=region=west"),
    });
    expect(await lab.placements()).toEqual({ "plain-1.service": "m3", "shy-1.service": "m2" });
    // Now m2 is the emptier one, and would be taken were it not for what shy-1 says.
    const onFirst = service(`MachineID=${lab.machine("m1").id}`);
    await lab.start({ "filler-1.service": onFirst, "filler-2.service": onFirst });
    await lab.start({ "plain-2.service": service("MachineMetadata=disk=ssd") });
    expect((await lab.placements())["plain-2.service"]).toBe("m1");
  });

  it("lets the unit that finds no machine wait, and places it as soon as one frees up", async () => {
    const text = service("Conflicts=shard-*");
    await lab.start({ "shard-1.service": text, "shard-2.service": text, "shard-3.service": text });
    const [path = ""] = lab.unitFiles({ "shard-4.service": text });
    await lab.fleetctlOk("start", "--no-block", path);
    expect(await lab.placements()).toEqual({
      "shard-1.service": "m1",
      "shard-2.service": "m2",
      "shard-3.service": "m3",
    });
    await lab.fleetctlOk("destroy", "shard-2.service");
    const ms = await lab.untilActive(["shard-1.service m1", "shard-3.service m3", "shard-4.service m2"]);
    expect(ms).toBeLessThan(FREED_MS);
  });
});

describe("Global", () => {
  it("runs a unit on every machine whose metadata matches, and on no other", async () => {
    const [path = ""] = lab.unitFiles({
      "monitor.service": service("Global=true", "MachineMetadata=region=west"),
    });
    await lab.fleetctlOk("start", path);
    await lab.untilActive(["monitor.service m2", "monitor.service m3"]);
    expect(await lab.machinesRunning("monitor.service")).toEqual(["m2", "m3"]);
    expect(lab.hasUnitFile("monitor.service", "m1")).toBe(false);
    const [unit] = await lab.cluster.units();
    expect(unit).toMatchObject({ name: "monitor.service", desiredState: "launched" });
    expect(unit).not.toHaveProperty("machineID");
  });

  it("keeps a global unit off a machine with a conflicting unit until that one goes", async () => {
    await lab.start({ "quiet.service": service("Conflicts=monitor.service") });
    const [path = ""] = lab.unitFiles({ "monitor.service": service("Global=true") });
    await lab.fleetctlOk("start", path);
    await lab.untilActive(["monitor.service m2", "monitor.service m3", "quiet.service m1"]);
    await lab.fleetctlOk("destroy", "quiet.service");
    await lab.untilActive(["monitor.service m1", "monitor.service m2", "monitor.service m3"]);
  });
});

describe("Replaces", () => {
  it("moves the replaced unit elsewhere and never runs beside it", async () => {
    await lab.start({
      "old.service": lab.recordingService({ stopSeconds: 1, xFleet: ["MachineMetadata=disk=ssd"] }),
    });
    await lab.untilActive(["old.service m1"]);
    await lab.start({
      "new.service": lab.recordingService({
        xFleet: ["Replaces=old.service", "MachineMetadata=region=east"],
      }),
    });
    await lab.untilActive(["new.service m1", "old.service m2"]);
    const onFirst = lab.events().filter(({ machine }) => machine === "m1");
    expect(onFirst.map(({ unit, what }) => `${unit} ${what}`)).toEqual([
      "old.service start",
      "old.service stopping",
      "old.service stopped with file",
      "new.service start",
    ]);
    expect(await lab.machinesRunning("old.service")).toEqual(["m2"]);
  });

  it("waits as long as the replaced unit could run nowhere else", async () => {
    await lab.start({
      "old.service": service("MachineMetadata=disk=ssd"),
      "blocker.service": service("Conflicts=old.service", "MachineMetadata=disk=ssd"),
    });
    await lab.untilActive(["blocker.service m2", "old.service m1"]);
    const [path = ""] = lab.unitFiles({
      "new.service": service("Replaces=old.service", "MachineMetadata=region=east"),
    });
    await lab.fleetctlOk("start", "--no-block", path);
    // Later decisions have been carried out: the one about new.service has been taken, too.
    await lab.start({ "after.service": service("MachineMetadata=disk=hdd") });
    await lab.untilActive(["after.service m3", "blocker.service m2", "old.service m1"]);
    await lab.fleetctlOk("destroy", "blocker.service");
    const ms = await lab.untilActive(["after.service m3", "new.service m1", "old.service m2"]);
    expect(ms).toBeLessThan(FREED_MS);
  });
});

describe("without requirements", () => {
  it("spreads units over the least loaded machines", async () => {
    await lab.start({ "global.service": service("Global=yes", "MachineMetadata=region=west") });
    await lab.untilActive(["global.service m2", "global.service m3"]);
    const names = Array.from({ length: 7 }, (_, index) => `u${index}.service`);
    await lab.fleetctlOk(
      "start",
      ...lab.unitFiles(Object.fromEntries(names.map((name) => [name, service()]))),
    );
    const loads = new Map<string, number>();
    for (const machine of Object.values(await lab.placements()))
      loads.set(machine, (loads.get(machine) ?? 0) + 1);
    expect(Object.fromEntries(loads)).toEqual({ m1: 3, m2: 2, m3: 2 });
  });

  it("refuses to activate a template, and runs its instances", async () => {
    const [template = ""] = lab.unitFiles({
      "job@.service": serviceText({ service: ["ExecStart=/bin/sleep 1000%i"] }),
    });
    await lab.fleetctlOk("submit", template);
    for (const verb of ["load", "start"]) {
      const refused = await lab.fleetctl(verb, "job@.service");
      expect(refused.exitCode).not.toBe(0);
      expect(refused.stderr).toContain('cannot activate template "job@.service"');
    }
    const put = await lab.machine("m1").request({
      method: "PUT",
      path: "/fleet/v1/units/job@.service",
      body: { desiredState: "launched" },
    });
    expect(put).toMatchObject({
      status: 400,
      body: { error: { code: 400, message: 'cannot activate template "job@.service"' } },
    });
    await lab.fleetctlOk("start", "job@1.service");
    await lab.fleetctlOk("start", "job@2.service");
    await lab.untilActive(["job@1.service m1", "job@2.service m2"]);
  });
});
