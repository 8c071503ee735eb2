import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { describeFullMachines } from "../full-machines.ts";
import {
  comparedProcesses,
  drill,
  filesOf,
  startAll,
  unitNames,
  unitProcesses,
  useDrillCluster,
} from "./drill.ts";

describeFullMachines("a second machine comes up with the machine-id of another", () => {
  const lab = useDrillCluster();

  drill("machine-id-twice", lab, async ({ timeline, logged }) => {
    const [first] = lab.machines;
    if (first === undefined) expect.fail("no machine");
    const names = unitNames(9);
    await startAll(lab, filesOf(names, lab.recordingService()));
    const before = await unitProcesses(lab, names);
    const notedBefore = lab.events().length;
    const addressBefore = (await lab.cluster.listedMachines()).find(({ id }) => id === first.id)?.primaryIP;

    const twin = await lab.cluster.addMachine({
      kind: "full",
      name: "twin",
      machineId: first.id,
      fleetd: false,
    });
    await twin.startFleetd({ wait: false });
    timeline.fault(`a machine with the machine-id of ${first.name} boots, its fleetd starts`);
    await lab.cluster.waitFor({
      what: "the twin to be refused",
      probe: async () => logged.of("registration_refused"),
      until: (lines) => lines.length > 0,
      timeoutMs: 20_000,
    });
    await sleep(15_000);
    const refusals = logged.of("registration_refused");
    const said = refusals[0]?.line ?? "";
    timeline.promise(
      "the second is refused, says so once, and names machine-id and holder",
      refusals.length === 1 &&
        refusals[0]?.machine === "twin" &&
        said.includes(first.id) &&
        said.includes("holder="),
      said,
    );
    const answer = await twin.request({ path: "/fleet/v1/machines" });
    timeline.event("note", `the twin's API: ${answer.status} ${answer.text.slice(0, 200)}`);
    const listed = await lab.cluster.listedMachines(lab.machine("m2"));
    const address = listed.find(({ id }) => id === first.id)?.primaryIP;
    timeline.promise(
      "the first stays in the cluster as it was",
      listed.length === 3 && address === addressBefore && first.fleetdPid !== undefined,
      `${listed.length} machines, ${first.name} at ${address}`,
    );
    const after = comparedProcesses(before, await unitProcesses(lab, names));
    const onTwin = (await unitProcesses(lab, names)).filter(({ machine }) => machine === "twin");
    const notes = lab.events().length - notedBefore;
    timeline.promise(
      "no unit is stopped, restarted, or run by the second",
      after.stopped + after.restarted + notes + onTwin.length === 0,
      `${after.figures}; ${onTwin.length} on the second`,
    );
    await first.kill();
    timeline.event("fault", `${first.name} loses power for good`);
    const { ms } = await lab.cluster.waitFor({
      what: "the twin to be let in",
      probe: async () => logged.of("machine_registered").filter(({ machine }) => machine === "twin").length,
      until: (count) => count > 0,
      timeoutMs: 30_000,
    });
    timeline.promise(
      "once the first is gone, the second is let in",
      true,
      `${(ms / 1_000).toFixed(1)} s after the power cut`,
    );
  });
});
