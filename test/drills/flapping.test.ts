import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterMachine } from "@fleet/lab";
import { expect } from "vitest";
import { serviceText } from "../e2e/lab-cluster.ts";
import { describeFullMachines } from "../full-machines.ts";
import { drill, filesOf, startAll, unitNames, useDrillCluster } from "./drill.ts";
import { placementsSince, revisionNow } from "./registry-history.ts";
import { secondsText } from "./timeline.ts";

const AGENT_TTL_MS = 2_000;
const PATIENCE_MS = 20_000;
const LOSSES = 24;
/** 24 of them in two minutes. */
const PERIOD_MS = 5_000;
/** From this loss on, the machine gets nothing new: see docs/failures.md. */
const UNSTEADY_FROM = 3;

describeFullMachines("a machine is lost again and again", () => {
  const lab = useDrillCluster({ agentTtlMs: AGENT_TTL_MS });

  async function untilListed(count: number, via: ClusterMachine): Promise<void> {
    await lab.cluster.waitFor({
      what: `${count} machines to be listed`,
      probe: () => lab.cluster.listedMachines(via),
      until: (machines) => machines.length === count,
      timeoutMs: PATIENCE_MS,
    });
  }

  drill("flapping", lab, async ({ timeline, logged }) => {
    const leader = await lab.leader();
    const flapping = lab.machines.find((machine) => machine !== leader) ?? expect.fail("no follower");
    await startAll(lab, {
      "pinned.service": serviceText({ xFleet: [`MachineID=${flapping.id}`] }),
      "everywhere.service": serviceText({ xFleet: ["Global=true"] }),
      // So many that the machine which comes back with nothing is always the one with the fewest units.
      ...filesOf(unitNames(36, "base"), serviceText()),
    });
    const where = new Map(Object.entries(await lab.placements()));
    const movable = [...where].filter(
      ([unit, name]) => unit.startsWith("base") && name === flapping.name,
    ).length;
    const revision = await revisionNow(lab.cluster.etcd);

    const placedThere: number[] = [];
    timeline.fault(
      `fleetd on ${flapping.name} killed with SIGKILL, back when it was lost; ${movable} units there can move`,
    );
    for (let loss = 1; loss <= LOSSES; loss += 1) {
      if (loss > 1) timeline.fault(`loss ${loss}`);
      await flapping.killFleetd();
      await untilListed(2, leader);
      await flapping.startFleetd();
      await untilListed(3, leader);
      const unit = `new${String(loss).padStart(2, "0")}.service`;
      await lab.start({ [unit]: serviceText() });
      if ((await lab.placements())[unit] === flapping.name) placedThere.push(loss);
      await sleep(Math.max(0, timeline.faultAtMs + loss * PERIOD_MS - Date.now()));
    }
    const tookMs = Date.now() - timeline.faultAtMs;
    await lab.cluster.waitFor({
      what: "the pinned and the global unit to be back",
      probe: async () => (await lab.active()).filter((line) => line.endsWith(` ${flapping.name}`)),
      until: (active) =>
        active.includes(`pinned.service ${flapping.name}`) &&
        active.includes(`everywhere.service ${flapping.name}`),
      timeoutMs: PATIENCE_MS,
    });
    timeline.event("running", "the pinned and the global unit are back, as after each loss");

    const seen = logged.of("machine_lost").length;
    timeline.promise(
      "each loss is seen as one",
      seen === LOSSES,
      `${seen} of ${LOSSES}, in ${secondsText(tookMs)}`,
    );
    const expected = Array.from({ length: UNSTEADY_FROM - 1 }, (_, index) => index + 1);
    timeline.promise(
      "new units are placed there after the first two returns only",
      placedThere.join() === expected.join(),
      `after returns ${placedThere.join(", ") || "none"} of ${LOSSES}`,
    );
    let moves = 0;
    for (const { unit, machineId } of await placementsSince(lab.cluster.etcd, revision)) {
      const { name } = lab.machine(machineId);
      const from = where.get(unit);
      if (from !== undefined && from !== name) moves += 1;
      where.set(unit, name);
    }
    timeline.promise(
      "only what was there at first, and what came after the first two returns, is moved, each once",
      moves === movable + placedThere.length,
      `${moves} moves: ${movable} + ${placedThere.length}`,
    );
    timeline.promise(
      "the machine is said to be unsteady",
      logged.of("machine_unsteady").length > 0,
      logged.of("machine_unsteady")[0]?.line ?? "never",
    );
  });
});
