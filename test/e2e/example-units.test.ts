import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Cluster, type ClusterMachine } from "@fleet/lab";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

const UNITS = fileURLToPath(new URL("../../examples/units", import.meta.url));
const TIMEOUT_MS = 20_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.up({
    machines: [{ metadata: { disk: "hdd" } }, { metadata: { disk: "ssd" } }, { metadata: { disk: "hdd" } }],
  });
});
afterAll(async () => {
  await cluster?.down();
});
afterEach(async () => {
  const names = (await cluster.units()).map((unit) => unit.name);
  await fleetctl("destroy", ...names);
  await cluster.waitFor({
    what: "every unit to be gone",
    probe: () => cluster.states(),
    until: (states) => states.length === 0,
    timeoutMs: TIMEOUT_MS,
  });
});

/** Runs fleetctl in the directory of the examples, and expects it to succeed. */
async function fleetctl(...args: readonly string[]): Promise<string> {
  const result = await cluster.fleetctl(args, { cwd: UNITS });
  expect(result, `fleetctl ${args.join(" ")}`).toMatchObject({ exitCode: 0 });
  return result.stdout;
}

/** Waits for a unit's active and sub state as systemd reports them, and returns the machine it is on. */
async function reaches(name: string, active: string, sub: string): Promise<ClusterMachine> {
  const { value } = await cluster.waitFor({
    what: `${name} to be ${active} (${sub})`,
    probe: async () => (await cluster.states()).filter((state) => state.name === name),
    until: ([state]) => state?.systemdActiveState === active && state.systemdSubState === sub,
    timeoutMs: TIMEOUT_MS,
  });
  return cluster.machine(value[0]?.machineID ?? "");
}

/** Waits until a file in a machine's runtime directory holds something, and returns it. */
async function contentOn(machine: ClusterMachine, file: string): Promise<string> {
  const { value } = await cluster.waitFor({
    what: `${file} on ${machine.name}`,
    probe: () => machine.run(["cat", `${machine.machine.runtimeDirectory}/${file}`]),
    until: (result) => result.exitCode === 0 && result.stdout !== "",
    timeoutMs: TIMEOUT_MS,
  });
  return value.stdout;
}

describe("the example units", () => {
  it("are those that are tested here", async () => {
    const files = (await readdir(UNITS)).filter((file) => file !== "README.md");
    // These two groups have tests of their own: sidekick.test.ts and load-balancer.test.ts.
    const groups = [
      "apache-secretary@.service",
      "apache@.service",
      "confd.service",
      "confdata.service",
      "nginx.service",
    ];
    expect(files.filter((file) => !groups.includes(file)).sort()).toEqual([
      "database.service",
      "heartbeat.service",
      "heartbeat.timer",
      "hello.service",
      "hello@.service",
      "mailbox.service",
      "mailbox.socket",
      "node-monitor.service",
      "shard@.service",
    ]);
  });

  it("hello.service runs, stops and goes", async () => {
    await fleetctl("submit", "hello.service");
    await fleetctl("start", "hello.service");
    const machine = await reaches("hello.service", "active", "running");
    expect((await machine.systemctl("is-active", "hello.service")).stdout).toBe("active\n");
    await fleetctl("stop", "hello.service");
    await reaches("hello.service", "inactive", "dead");
    await fleetctl("destroy", "hello.service");
    await expect
      .poll(async () => (await machine.systemctl("show", "-P", "LoadState", "hello.service")).stdout)
      .toBe("not-found\n");
  });

  it("hello@.service gives instances, which spread over the machines", async () => {
    await fleetctl("submit", "hello@.service");
    await fleetctl("start", "hello@1", "hello@2", "hello@3");
    const machines = await Promise.all(
      ["1", "2", "3"].map((instance) => reaches(`hello@${instance}.service`, "active", "running")),
    );
    expect(new Set(machines.map((machine) => machine.name)).size).toBe(3);
  });

  it("database.service runs on the machine with the fast disk", async () => {
    await fleetctl("start", "database.service");
    expect(await reaches("database.service", "active", "running")).toBe(cluster.machine("m2"));
  });

  it("node-monitor.service runs on every machine, also on one that joins later", async () => {
    await fleetctl("start", "node-monitor.service");
    const runs = async (): Promise<number> =>
      (await cluster.states()).filter((state) => state.systemdActiveState === "active").length;
    await expect.poll(runs, { timeout: TIMEOUT_MS }).toBe(3);
    const late = await cluster.addMachine({ name: "late" });
    await expect.poll(runs, { timeout: TIMEOUT_MS }).toBe(4);
    expect(await late.stopFleetd()).toBe(0);
    await late.kill();
    await expect.poll(runs, { timeout: TIMEOUT_MS }).toBe(3);
  });

  it("shard@.service avoids its like: the fourth waits until a machine is free of them", async () => {
    await fleetctl("submit", "shard@.service");
    await fleetctl("start", "shard@1", "shard@2", "shard@3");
    await fleetctl("start", "--no-block", "shard@4");
    const first = await reaches("shard@1.service", "active", "running");
    const waiting = (await cluster.units()).find((unit) => unit.name === "shard@4.service");
    expect(waiting).toMatchObject({ desiredState: "launched", currentState: "inactive" });
    expect(waiting?.machineID).toBeUndefined();
    await fleetctl("destroy", "shard@1");
    expect(await reaches("shard@4.service", "active", "running")).toBe(first);
  });

  it("heartbeat.timer starts its service again and again", async () => {
    await fleetctl("load", "heartbeat.service");
    await fleetctl("start", "heartbeat.timer");
    const machine = await reaches("heartbeat.timer", "active", "waiting");
    await contentOn(machine, "fleet-example-heartbeat");
    await expect
      .poll(async () => (await contentOn(machine, "fleet-example-heartbeat")).trim().split("\n").length, {
        timeout: TIMEOUT_MS,
      })
      .toBeGreaterThanOrEqual(2);
  });

  it("mailbox.socket starts its service when something is written into it", async () => {
    await fleetctl("load", "mailbox.service");
    await fleetctl("start", "mailbox.socket");
    const machine = await reaches("mailbox.socket", "active", "listening");
    await reaches("mailbox.service", "inactive", "dead");
    const fifo = `${machine.machine.runtimeDirectory}/fleet-example-mailbox`;
    await machine.run(["sh", "-c", `echo a letter > ${fifo}`]);
    await reaches("mailbox.service", "active", "running");
    expect(await contentOn(machine, "fleet-example-mail")).toBe("a letter\n");
  });
});
