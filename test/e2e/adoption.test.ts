import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const AGENT_TTL_MS = 5_000;

const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS });

/** kill -9 of every fleetd, and start again before their leases end. */
async function restartDaemons(): Promise<void> {
  await Promise.all(lab.machines.map((machine) => machine.killFleetd()));
  await Promise.all(lab.machines.map((machine) => machine.startFleetd()));
}

/** Everything that is reported of units, as comparable lines. */
async function report(): Promise<readonly string[]> {
  const units = await lab.cluster.units();
  const states = await lab.cluster.states();
  return [
    ...units.map((unit) => `${unit.name} ${unit.desiredState} ${unit.currentState} ${unit.machineID}`),
    ...states.map(
      (state) =>
        `${state.name} ${state.hash} ${state.machineID} ${state.systemdLoadState} ${state.systemdActiveState} ${state.systemdSubState}`,
    ),
  ].sort();
}

/** Waits for the report, and sees to it that it stays until after the leases from before the restart would be over. */
async function expectLastingReport(expected: readonly string[]): Promise<void> {
  const restartedAt = performance.now();
  await lab.cluster.waitFor({
    what: "the report from before the restart",
    probe: report,
    until: (lines) => lines.join("\n") === expected.join("\n"),
    timeoutMs: 15_000,
  });
  while (performance.now() - restartedAt < AGENT_TTL_MS + 2_000) {
    expect(await report()).toEqual(expected);
    await sleep(200);
  }
}

async function mainPids(machineName: string, units: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await lab.machine(machineName).systemctl("show", "-P", "MainPID", ...units);
  return stdout.split("\n").filter((line) => line !== "");
}

it("running units keep their processes, and their states stay reported", async () => {
  const names = Array.from({ length: 30 }, (_, index) => `run-${index}.service`);
  const files = lab.unitFiles(Object.fromEntries(names.map((name) => [name, serviceText()])));
  await lab.fleetctlOk("start", ...files);
  const placements = await lab.placements();
  await lab.untilActive(names.map((name) => `${name} ${placements[name]}`));
  const unitsOn = (machine: string): readonly string[] =>
    names.filter((name) => placements[name] === machine);
  const pids = (): Promise<readonly (readonly string[])[]> =>
    Promise.all(lab.machines.map(({ name }) => mainPids(name, unitsOn(name))));

  const pidsBefore = await pids();
  const reportBefore = await report();
  expect(pidsBefore.flat()).toHaveLength(30);
  expect(pidsBefore.flat()).not.toContain("0");
  await restartDaemons();
  await expectLastingReport(reportBefore);
  expect(await pids()).toEqual(pidsBefore);
});

it("a finished oneshot and a unit stopped by hand are not started again", async () => {
  const once = serviceText({ service: ["Type=oneshot", `ExecStart=/bin/sh -c '${lab.note("start")}'`] });
  const [oncePath = ""] = lab.unitFiles({ "once.service": once });
  await lab.fleetctlOk("start", oncePath);
  await lab.start({ "hand.service": lab.recordingService() });
  const placements = await lab.placements();
  const handMachine = placements["hand.service"] ?? "";
  await lab.machine(handMachine).systemctl("stop", "hand.service");
  await lab.cluster.waitFor({
    what: "both units to be reported inactive, and launched",
    probe: report,
    until: (lines) => lines.filter((line) => line.endsWith("loaded inactive dead")).length === 2,
    timeoutMs: 15_000,
  });
  const reportBefore = await report();
  expect(await lab.cluster.units()).toMatchObject([
    { desiredState: "launched", currentState: "launched" },
    { desiredState: "launched", currentState: "launched" },
  ]);

  await restartDaemons();
  await expectLastingReport(reportBefore);
  expect(lab.history("once.service")).toHaveLength(1);
  expect(lab.history("hand.service").filter((event) => event.endsWith("start"))).toHaveLength(1);

  // A new intent does start them.
  await lab.fleetctlOk("stop", "once.service", "hand.service");
  await lab.fleetctlOk("start", "once.service", "hand.service");
  await lab.untilEvents("once.service", 2);
  await lab.untilActive([`hand.service ${handMachine}`]);
});
