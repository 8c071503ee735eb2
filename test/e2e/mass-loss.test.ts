import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterMachine } from "@fleet/lab";
import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

/** With 2 s, a renewal that a busy host sends 0.4 s late would make its machine vanish alone, before the others show. */
const AGENT_TTL_MS = 5_000;
/** What etcd takes to notice the end of a lease, and a busy host to do the rest. */
const SLACK_MS = 3_000;

const lab = useLabCluster({
  machines: [{}, {}, {}, {}, {}, {}],
  agentTtlMs: AGENT_TTL_MS,
  env: { FLEET_LEADER_TTL: "2s" },
  restore: false,
});

const NAMES = Array.from({ length: 12 }, (_, index) => `u${index}.service`);

/** Units by the machine they are assigned to, in the registry itself. */
async function assigned(machine: ClusterMachine): Promise<readonly string[]> {
  const below = `assignments/${machine.id}/`;
  return (await lab.registryRows())
    .filter(({ key }) => key.startsWith(below) && !key.endsWith("@settled"))
    .map(({ key }) => key.slice(below.length))
    .sort();
}

async function untilListed(count: number, via: ClusterMachine): Promise<void> {
  await lab.cluster.waitFor({
    what: `${count} machines to be listed`,
    probe: () => lab.cluster.listedMachines(via),
    until: (machines) => machines.length === count,
    timeoutMs: 5 * AGENT_TTL_MS + SLACK_MS,
  });
}

async function mainPids(machine: ClusterMachine, units: readonly string[]): Promise<readonly string[]> {
  return await Promise.all(units.map((unit) => lab.mainPid(unit, machine.name)));
}

async function notice(via: ClusterMachine): Promise<string> {
  return (await lab.cluster.fleetctl(["list-machines"], { via })).stderr;
}

it("four of six machines vanish: held and said; two return, the leader dies, and the rest is confirmed", async () => {
  await lab.fleetctlOk(
    "start",
    ...lab.unitFiles(Object.fromEntries(NAMES.map((name) => [name, serviceText()]))),
  );
  const leader = await lab.leader();
  const [other, ...lost] = lab.machines.filter((machine) => machine !== leader);
  if (other === undefined) expect.fail("there is but one machine");
  const before = await Promise.all(lost.map(assigned));
  expect(before.map((units) => units.length)).toEqual([2, 2, 2, 2]);
  const pids = await Promise.all(lost.map((machine, index) => mainPids(machine, before[index] ?? [])));

  // fleetd is gone, as with a network that is: the units run on.
  await Promise.all(lost.map((machine) => machine.killFleetd()));
  await untilListed(2, other);
  await lab.cluster.waitFor({
    what: "fleetctl to say that re-placing is held",
    probe: () => notice(other),
    until: (stderr) => /^re-placing is held: 4 of 6 machines vanished at \S+; confirm with/.test(stderr),
    timeoutMs: AGENT_TTL_MS + SLACK_MS,
  });
  // The rest of the cluster goes on.
  const [fresh = ""] = lab.unitFiles({ "fresh.service": serviceText() });
  expect((await lab.cluster.fleetctl(["start", fresh], { via: other })).exitCode).toBe(0);
  await sleep(2 * AGENT_TTL_MS);
  expect(await Promise.all(lost.map(assigned))).toEqual(before);
  const answer = await other.request({ path: "/fleet/v1/losses" });
  const ids = lost.map(({ id }) => id).sort();
  expect(answer).toMatchObject({ status: 200, body: { massLoss: { vanished: 4, of: 6, machines: ids } } });

  const [back1, back2, ...away] = lost;
  if (back1 === undefined || back2 === undefined) expect.fail("fewer than two were lost");
  for (const machine of [back1, back2]) await machine.startFleetd();
  await untilListed(4, other);
  await sleep(AGENT_TTL_MS);
  expect(await Promise.all([back1, back2].map((machine) => mainPids(machine, NAMES)))).toEqual(
    [back1, back2].map((_, index) =>
      NAMES.map((name) => pids[index]?.[before[index]?.indexOf(name) ?? -1] ?? "0"),
    ),
  );
  expect(await notice(other)).toContain("2 of them are still away");

  // A new leader knows of it, and gives up the old leader's machine, which is another story.
  const ofLeader = await assigned(leader);
  expect(ofLeader.length).toBeGreaterThan(0);
  await leader.kill();
  await lab.cluster.waitFor({
    what: "the units of the former leader to be assigned elsewhere",
    probe: () => assigned(leader),
    until: (units) => units.length === 0,
    timeoutMs: 4 * AGENT_TTL_MS + SLACK_MS,
  });
  await sleep(2 * AGENT_TTL_MS);
  expect(await Promise.all(away.map(assigned))).toEqual(before.slice(2));
  expect(await notice(other)).toContain("2 of them are still away");

  const shown = await lab.cluster.fleetctl(["confirm-loss"], { via: other });
  expect(shown.stdout).toBe(away.map(({ id }) => `${id}\n`).join(""));
  expect(await Promise.all(away.map(assigned))).toEqual(before.slice(2));
  const confirmed = await lab.cluster.fleetctl(["confirm-loss", "--yes"], { via: other });
  expect(confirmed).toMatchObject({ exitCode: 0, stdout: shown.stdout });
  const { ms } = await lab.cluster.waitFor({
    what: "every unit to run on a machine that is there",
    probe: async () => {
      const states = await lab.cluster.states(other);
      return states
        .filter(({ systemdActiveState }) => systemdActiveState === "active")
        .map(({ name }) => name);
    },
    until: (active) => [...active].sort().join() === [...NAMES, "fresh.service"].sort().join(),
    timeoutMs: AGENT_TTL_MS + SLACK_MS,
  });
  console.log(`re-placed ${ms.toFixed(0)} ms after it was confirmed`);
  expect(await notice(other)).toBe("");
  const again = await lab.cluster.fleetctl(["confirm-loss"], { via: other });
  expect(again).toMatchObject({ exitCode: 0, stdout: "" });
});
