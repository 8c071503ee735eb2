import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { type ServiceEvent, useLabCluster } from "./lab-cluster.ts";

/** A killed fleetd is up again long before its machine counts as lost, however busy the host is. */
const AGENT_TTL_MS = 12_000;
/** Were the unit waited for as if its machine were lost, it would take longer than the TTL. */
const SOON_MS = 8_000;

const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS, machines: [{}, {}] });

const UNIT = "only.service";
const text = (): string => lab.recordingService({ stopSeconds: 0.3, xFleet: ["Exclusive=true"] });

function eventOf(machine: string, what: string): ServiceEvent | undefined {
  return lab.events().find((event) => event.machine === machine && event.what === what);
}

it("a restart of fleetd, and a moment without etcd, leave an exclusive unit alone", async () => {
  await lab.start({ [UNIT]: text() });
  await lab.untilActive([`${UNIT} m1`]);
  const machine = lab.machine("m1");
  const pid = await lab.mainPid(UNIT, "m1");
  await machine.killFleetd();
  await machine.startFleetd();
  machine.cutOffFromEtcd("refuse");
  await sleep(500);
  machine.heal();
  await sleep(AGENT_TTL_MS);
  expect(await lab.mainPid(UNIT, "m1")).toBe(pid);
  expect(lab.history(UNIT)).toEqual(["m1 start"]);
});

it("a machine that leaves gives its exclusive unit away without a wait, and takes its fence down", async () => {
  await lab.start({ [UNIT]: text() });
  await lab.untilActive([`${UNIT} m1`]);
  const machine = lab.machine("m1");
  const fences = async (): Promise<string> =>
    (await machine.machine.systemctl("list-units", "--all", "--plain", "--no-legend", "fleet-fence-*"))
      .stdout;
  expect(await fences()).toContain(".timer");
  await machine.stopFleetd();
  await lab.cluster.waitFor({
    what: "the unit to start elsewhere",
    probe: async () => eventOf("m2", "start"),
    until: (event) => event !== undefined,
    timeoutMs: 15_000,
  });
  const stoppedMs = eventOf("m1", "stopped with file")?.atMs ?? expect.fail("it did not stop");
  const startedMs = eventOf("m2", "start")?.atMs ?? 0;
  expect(startedMs).toBeGreaterThan(stoppedMs);
  expect(startedMs - stoppedMs).toBeLessThan(SOON_MS);
  expect(await fences()).toBe("");
});
