import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterMachine } from "@fleet/lab";
import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const AGENT_TTL_MS = 5_000;

// A wiped registry cannot be restored to use: the tests share one cluster, in their order.
const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS, machines: [{}, {}], restore: false });

const NAMES = Array.from({ length: 10 }, (_, index) => `u${index}.service`);

/** Main processes of all units, by what systemd says: `unit machine pid`. */
async function processes(machines: readonly ClusterMachine[]): Promise<readonly string[]> {
  const found = await Promise.all(
    machines.flatMap(({ name: machine }) =>
      NAMES.map(async (unit) => `${unit} ${machine} ${await lab.mainPid(unit, machine)}`),
    ),
  );
  return found.filter((line) => !line.endsWith(" 0")).sort();
}

function logLines(machine: ClusterMachine, event: string): readonly string[] {
  return readFileSync(machine.fleetdLog, "utf8")
    .split("\n")
    .filter((line) => line.includes(event));
}

it("a second fleetd with the same machine id is refused, and the first undisturbed", async () => {
  const first = lab.machine("m1");
  await lab.fleetctlOk(
    "start",
    ...lab.unitFiles(Object.fromEntries(NAMES.map((name) => [name, serviceText()]))),
  );
  const before = await processes(lab.machines);
  expect(before).toHaveLength(10);
  const machineRow = `machines/${first.id}`;
  const registered = (await lab.registryRows()).find(({ key }) => key === machineRow);
  expect(registered?.value).toContain(first.publicIp);
  const unitsBefore = await lab.cluster.units(first);

  const twin = await lab.cluster.addMachine({ name: "twin", machineId: first.id, fleetd: false });
  await twin.startFleetd();
  await lab.cluster.waitFor({
    what: "the twin to be refused",
    probe: async () => logLines(twin, "registration_refused"),
    until: (lines) => lines.length > 0,
    timeoutMs: 10_000,
  });
  await sleep(AGENT_TTL_MS + 1_000);
  // Refused again and again by now; said once, with the address of the one that holds the id.
  const refusals = logLines(twin, "registration_refused");
  expect(refusals).toHaveLength(1);
  expect(refusals[0]).toContain(first.publicIp);
  expect((await lab.registryRows()).find(({ key }) => key === machineRow)).toEqual(registered);
  expect(await processes([first, lab.machine("m2")])).toEqual(before);
  expect(await processes([twin])).toEqual([]);
  expect(await lab.cluster.units(first)).toEqual(unitsBefore);
  expect(logLines(first, "registration_lost")).toEqual([]);

  // The refused one has nothing to unload and nobody to sign off.
  expect(await twin.stopFleetd()).toBe(0);
  expect((await lab.registryRows()).find(({ key }) => key === machineRow)).toEqual(registered);
  await twin.destroy();
});

it("a wiped registry stops nothing, and everybody says why", async () => {
  const machines = [lab.machine("m1"), lab.machine("m2")];
  const before = await processes(machines);
  expect(before).toHaveLength(10);

  await lab.cluster.wipeRegistry();
  const wipedAt = performance.now();
  await lab.cluster.waitFor({
    what: "every API to say that etcd no longer knows the cluster",
    probe: () => Promise.all(machines.map((machine) => machine.request({ path: "/fleet/v1/units" }))),
    until: (answers) => answers.every(({ status }) => status === 503),
    timeoutMs: AGENT_TTL_MS,
  });
  for (const machine of machines) {
    expect(await machine.request({ path: "/fleet/v1/units" })).toMatchObject({
      status: 503,
      body: { error: { code: 503, message: expect.stringContaining("etcd no longer knows cluster") } },
    });
  }
  const listed = await lab.fleetctl("list-units");
  expect(listed.exitCode).toBe(1);
  expect(listed.stderr).toContain("etcd no longer knows cluster");

  while (performance.now() - wipedAt < 15_000) {
    expect(await processes(machines)).toEqual(before);
    await sleep(500);
  }
  for (const machine of machines) {
    const frozen = logLines(machine, "cluster_frozen");
    expect(frozen, machine.name).toHaveLength(1);
    expect(frozen[0]).toContain("cluster_missing");
  }
  expect(await lab.registryRows()).toEqual([]);

  // Nor does a fresh process take the empty store for its own.
  for (const machine of machines) {
    await machine.killFleetd();
    await machine.startFleetd();
  }
  await sleep(AGENT_TTL_MS);
  expect(await processes(machines)).toEqual(before);
  expect(await lab.registryRows()).toEqual([]);
  expect(await machines[0]?.request({ path: "/fleet/v1/units" })).toMatchObject({ status: 503 });
});
