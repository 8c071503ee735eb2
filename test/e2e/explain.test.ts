import { expect, it } from "vitest";
import { z } from "zod";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const lab = useLabCluster({
  machines: [{ metadata: { disk: "ssd" } }, { metadata: { disk: "ssd" } }, { metadata: { disk: "hdd" } }],
});

const steps = z.object({
  steps: z.array(z.object({ action: z.string(), unit: z.string(), machineID: z.string().optional() })),
});

it("explains a unit that waits and one that is placed", async () => {
  await lab.start({ "here.service": serviceText({ xFleet: ["MachineMetadata=disk=hdd"] }) });
  const [path = ""] = lab.unitFiles({
    "tape.service": serviceText({ xFleet: ["MachineMetadata=disk=tape"] }),
  });
  await lab.fleetctlOk("start", "--no-block", path);
  const { stdout } = await lab.fleetctlOk("explain", "here", "tape");
  expect(stdout).toContain("here.service is on 33333333..., the only machine that may run it.\n");
  expect(stdout).toContain("tape.service waits for a machine: all 3 machines lack disk=tape.\n");
});

it("says why a unit that is started finds no machine within a second", async () => {
  const [path = ""] = lab.unitFiles({
    "tape.service": serviceText({ xFleet: ["MachineMetadata=disk=tape"] }),
  });
  const begunMs = performance.now();
  const result = await lab.fleetctl("start", "--if-unplaceable=fail", path);
  // It ends with the reason; the program's own start and the lab's count as well.
  expect(performance.now() - begunMs).toBeLessThan(2_500);
  expect(result).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("all 3 machines lack disk=tape."),
  });
});

it("plans what then happens when a machine leaves in order", async () => {
  // Where each goes does not depend on which of them ends first.
  await lab.start({
    "a.service": serviceText({ xFleet: ["MachineMetadata=disk=ssd"] }),
    "follower.service": serviceText({ xFleet: ["MachineOf=a.service"] }),
    "free.service": serviceText({ xFleet: ["Conflicts=other.service", "MachineOf=a.service"] }),
    "other.service": serviceText({ xFleet: ["MachineMetadata=disk=hdd"] }),
  });
  const before = await lab.placements();
  expect(before["a.service"]).toBe("m1");
  const rowsBefore = (await lab.registryRows()).filter(({ key }) => !key.startsWith("leader"));
  const planned = await lab.fleetctlOk("plan", "--json", `--drain=${lab.machine("m1").id.slice(0, 6)}`);
  expect((await lab.registryRows()).filter(({ key }) => !key.startsWith("leader"))).toEqual(rowsBefore);
  const moves = steps.parse(JSON.parse(planned.stdout)).steps;
  expect(moves.map(({ action, unit }) => `${action} ${unit}`).sort()).toEqual([
    "move a.service",
    "move follower.service",
    "move free.service",
  ]);

  expect(await lab.machine("m1").stopFleetd()).toBe(0);
  const predicted = { ...before };
  for (const { unit, machineID = "" } of moves) predicted[unit] = lab.machine(machineID).name;
  await lab.untilActive(Object.entries(predicted).map(([unit, machine]) => `${unit} ${machine}`));
  expect(await lab.placements()).toEqual(predicted);
});
