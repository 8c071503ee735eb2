import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

/** Moving takes a stop and a start: this is for busy hosts, and still below any interval of replanning. */
const MOVED_MS = 3_000;

const lab = useLabCluster({
  machines: [{ metadata: { disk: "ssd" } }, { metadata: { disk: "ssd" } }, { metadata: { disk: "hdd" } }],
});

async function patch(...operations: readonly object[]): Promise<void> {
  // By another machine's daemon than those the unit is on.
  const answer = await lab
    .machine("m3")
    .request({ method: "PATCH", path: "/fleet/v1/machines", body: operations });
  expect([answer.status, answer.text]).toEqual([204, ""]);
}

function pathOf(machine: string, key: string): string {
  return `/${lab.machine(machine).id}/metadata/${key}`;
}

async function metadataOf(machine: string): Promise<unknown> {
  const { id } = lab.machine(machine);
  return (await lab.cluster.listedMachines()).find((listed) => listed.id === id)?.metadata;
}

it("moves a unit off a machine that no longer fits, and not back; metadata outlives a leave", async () => {
  await lab.start({ "ssd.service": lab.recordingService({ xFleet: ["MachineMetadata=disk=ssd"] }) });
  await lab.untilActive(["ssd.service m1"]);

  const patchedAtMs = Date.now();
  await patch(
    { op: "replace", path: pathOf("m1", "disk"), value: "tape" },
    { op: "add", path: pathOf("m1", "rack"), value: { value: "7" } },
  );
  await lab.untilActive(["ssd.service m2"]);
  const movedMs = (lab.events().at(-1)?.atMs ?? Number.POSITIVE_INFINITY) - patchedAtMs;
  console.info(`PATCH to the start elsewhere: ${movedMs} ms`);
  expect(movedMs).toBeLessThan(MOVED_MS);
  const moved = ["m1 start", "m1 stopping", "m1 stopped with file", "m2 start"];
  expect(lab.history("ssd.service")).toEqual(moved);

  await patch({ op: "replace", path: pathOf("m1", "disk"), value: "ssd" });
  // Later decisions have been carried out on the machine that fits again: the one about ssd.service has been taken, too.
  await lab.start({ "after.service": serviceText({ xFleet: ["MachineMetadata=rack=7"] }) });
  await lab.untilActive(["after.service m1", "ssd.service m2"]);
  expect(lab.history("ssd.service")).toEqual(moved);

  await patch({ op: "remove", path: pathOf("m1", "disk") });
  expect(await lab.machine("m1").stopFleetd()).toBe(0);
  expect(await metadataOf("m1")).toBeUndefined();
  await lab.machine("m1").startFleetd();
  await lab.cluster.waitFor({
    what: "m1 to be back with what was set",
    probe: () => metadataOf("m1"),
    until: (metadata) => metadata !== undefined,
    timeoutMs: 15_000,
  });
  expect(await metadataOf("m1")).toEqual({ rack: "7" });
  await lab.untilActive(["after.service m1", "ssd.service m2"]);
});
