import type { ClusterMachine } from "@fleet/lab";
import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "../e2e/lab-cluster.ts";

const AGENT_TTL_MS = 2_000;
const PATIENCE_MS = 20_000;
const LOSSES = 6;
/** From this loss on, the machine gets nothing new: see docs/failures.md. */
const UNSTEADY_FROM = 3;

const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS, restore: false });

async function untilListed(count: number, via: ClusterMachine): Promise<void> {
  await lab.cluster.waitFor({
    what: `${count} machines to be listed`,
    probe: () => lab.cluster.listedMachines(via),
    until: (machines) => machines.length === count,
    timeoutMs: PATIENCE_MS,
  });
}

it("a machine lost six times gets new units after the first two losses only, and its pinned one each time", async () => {
  const leader = await lab.leader();
  const flapping = lab.machines.find((machine) => machine !== leader) ?? expect.fail("no follower");
  await lab.start({
    "pinned.service": serviceText({ xFleet: [`MachineID=${flapping.id}`] }),
    "everywhere.service": serviceText({ xFleet: ["Global=true"] }),
  });
  // So many that the machine which comes back with nothing is always the one with the fewest units.
  const base = Array.from({ length: 9 }, (_, index) => `base${index}.service`);
  await lab.start(Object.fromEntries(base.map((name) => [name, serviceText()])));

  const placedOn: boolean[] = [];
  for (let loss = 1; loss <= LOSSES; loss += 1) {
    await flapping.killFleetd();
    await untilListed(2, leader);
    await flapping.startFleetd();
    await untilListed(3, leader);
    await lab.start({ [`new${loss}.service`]: serviceText() });
    placedOn.push((await lab.placements())[`new${loss}.service`] === flapping.name);
  }
  expect(placedOn).toEqual(Array.from({ length: LOSSES }, (_, index) => index + 1 < UNSTEADY_FROM));
  await lab.cluster.waitFor({
    what: "the pinned and the global unit to be back",
    probe: async () => (await lab.active()).filter((line) => line.endsWith(` ${flapping.name}`)),
    until: (active) =>
      active.includes(`pinned.service ${flapping.name}`) &&
      active.includes(`everywhere.service ${flapping.name}`),
    timeoutMs: PATIENCE_MS,
  });
});
