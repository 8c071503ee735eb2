import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "../e2e/lab-cluster.ts";

const AGENT_TTL_MS = 3_000;

const lab = useLabCluster({ machines: [{}, {}], restore: false, agentTtlMs: AGENT_TTL_MS });

const here = serviceText({ xFleet: [`MachineID=${"1".repeat(32)}`] });
const elsewhere = serviceText({ xFleet: [`MachineID=${"2".repeat(32)}`] });

/** Signals the program of that name on m1. */
async function signalOnM1(signal: "STOP" | "CONT", program: string): Promise<void> {
  expect(await lab.machine("m1").run(["pkill", `-${signal}`, "-x", program])).toMatchObject({ exitCode: 0 });
}

it.each([
  ["systemd", "ListUnitsByPatterns was not answered within 10000 ms"],
  ["dbus-daemon", "was not answered within 10000 ms"],
])("%s hung: the machine stays, others go on, and all is well once it runs again", async (program, says) => {
  const m1 = lab.machine("m1");
  const [before, late, other] = [
    `before-${program}.service`,
    `late-${program}.service`,
    `other-${program}.service`,
  ];
  await lab.start({ [before]: here });
  const active = await lab.active();
  const pid = await lab.mainPid(before, "m1");
  await signalOnM1("STOP", program);
  const [path = ""] = lab.unitFiles({ [late]: here });
  await lab.fleetctlOk("start", "--no-block", path);
  await lab.start({ [other]: elsewhere });
  await lab.cluster.waitFor({
    what: "fleetd to say what is wrong",
    probe: async () => m1.logTail(20),
    until: (log) => log.includes(`task_failed unit=${late}`) && log.includes(says),
    timeoutMs: 20_000,
  });
  expect(await lab.cluster.listedMachines()).toHaveLength(2);

  await signalOnM1("CONT", program);
  // Retries are up to 30 s apart; after two failures they come sooner.
  await lab.untilActive([...active, `${late} m1`, `${other} m2`], 20_000);
  expect(await lab.mainPid(before, "m1")).toBe(pid);
});

it("a fleetd that is told to end gives a hung systemd up, and the machine is lost", async () => {
  const m1 = lab.machine("m1");
  await signalOnM1("STOP", "systemd");
  const startedAt = performance.now();
  expect(await m1.stopFleetd()).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(90_000);
  expect(m1.logTail(10)).toMatch(
    /leave_failed code=systemd_silent message="systemd has not answered for \d+ s/,
  );
  await lab.cluster.waitFor({
    what: "the machine to be lost",
    probe: () => lab.cluster.listedMachines(lab.machine("m2")),
    until: (machines) => machines.length === 1,
    timeoutMs: 4 * AGENT_TTL_MS,
  });

  await signalOnM1("CONT", "systemd");
  await m1.startFleetd();
  await lab.untilActive(
    ["before-systemd", "late-systemd", "before-dbus-daemon", "late-dbus-daemon"]
      .map((name) => `${name}.service m1`)
      .concat("other-systemd.service m2", "other-dbus-daemon.service m2"),
    20_000,
  );
});
