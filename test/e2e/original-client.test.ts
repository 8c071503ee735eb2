import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useLabCluster } from "./lab-cluster.ts";
import { OriginalClient, type UnitOptions } from "./original-client.ts";

// fleet 1.0's own client drives this project's daemons: every verb must come to its end.

const lab = useLabCluster();
let client: OriginalClient;
beforeAll(() => {
  client = new OriginalClient(new URL(lab.machine("m1").endpoint).pathname);
});
afterAll(() => client?.close());

function sleeper(...xFleet: readonly string[]): UnitOptions {
  return [
    { section: "Unit", name: "Description", value: "sleeper" },
    { section: "Service", name: "ExecStart", value: "/bin/sleep infinity" },
    ...xFleet.map((value) => ({ section: "X-Fleet", name: "Conflicts", value })),
  ];
}

describe("fleet 1.0's client", () => {
  it("takes a unit through its life", async () => {
    expect(await client.listMachines()).toEqual(lab.machines.map(({ id }) => id).sort());
    await client.submit("s.service", sleeper());
    expect(await client.cat("s.service")).toEqual(sleeper());
    await client.load("s.service", sleeper());
    await client.start("s.service", sleeper());
    expect(await client.listUnits()).toMatchObject([{ name: "s.service", systemdActiveState: "active" }]);
    expect(await client.machineOf("s.service")).toBe((await client.listUnits())[0]?.machineID);
    await client.stop("s.service");
    // A unit is loaded again once its stop is under way, which systemd then takes a while for: in fleet as here.
    await expect
      .poll(() => client.listUnits(), { timeout: 30_000 })
      .toMatchObject([{ name: "s.service", systemdActiveState: "inactive" }]);
    await client.unload("s.service");
    expect(await client.listUnits()).toEqual([]);
    await client.destroy("s.service");
    expect(await client.listUnitFiles()).toEqual([]);
  });

  it("starts many instances that avoid each other, and takes them down", async () => {
    const names = ["t@1.service", "t@2.service", "t@3.service"];
    await Promise.all(names.map((name) => client.start(name, sleeper("t@*.service"))));
    expect(new Set((await client.listUnits()).map(({ machineID }) => machineID)).size).toBe(3);
    await Promise.all(names.map((name) => client.stop(name)));
    for (const name of names) await client.destroy(name);
    await lab.untilActive([]);
  });

  it("does not poll for longer than the cluster takes", async () => {
    client.polls = 0;
    await client.start("quick.service", sleeper());
    // Half a second a poll: the daemon is done within a few.
    expect(client.polls).toBeLessThan(12);
  });
});
