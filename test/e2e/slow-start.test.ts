import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const lab = useLabCluster();

/** Far above what anything takes here, far below the 60 s a queue behind the slow unit would mean. */
const UNBLOCKED_MS = 15_000;

const slow = serviceText({
  service: ["TimeoutStartSec=0", "ExecStartPre=/bin/sleep 60", "ExecStart=/bin/sleep infinity"],
});

it("a start that takes a minute blocks nothing else on its machine", async () => {
  const startedAt = performance.now();
  const [path = ""] = lab.unitFiles({ "slow.service": slow });
  const started = await lab.fleetctl("start", path);
  // It does not wait for the minute to pass, and says how far the unit is.
  expect(started).toMatchObject({ exitCode: 0 });
  expect(started.stdout).toContain("Unit slow.service launched on 11111111.../");
  expect(started.stderr).toMatch(/slow\.service.*activating.*start-pre/);
  expect(started.ms).toBeGreaterThan(1_900);
  expect(started.ms).toBeLessThan(UNBLOCKED_MS);
  expect(await lab.state("slow.service", "m1")).toMatchObject({
    systemdLoadState: "loaded",
    systemdActiveState: "activating",
    systemdSubState: "start-pre",
  });

  const onFirst = { xFleet: [`MachineID=${lab.machine("m1").id}`] };
  const names = Array.from({ length: 8 }, (_, index) => `quick-${index}.service`);
  const files = lab.unitFiles(Object.fromEntries(names.map((name) => [name, serviceText(onFirst)])));
  expect((await lab.fleetctlOk("start", ...files)).ms).toBeLessThan(UNBLOCKED_MS);
  await lab.untilActive(
    names.map((name) => `${name} m1`),
    UNBLOCKED_MS,
  );

  // State: a unit that fails on its own is reported, and one that is stopped and destroyed goes.
  await lab.machine("m1").systemctl("kill", "--signal=KILL", "quick-0.service");
  await lab.cluster.waitFor({
    what: "the failure of quick-0.service to be reported",
    probe: () => lab.state("quick-0.service", "m1"),
    until: (state) => state?.systemdActiveState === "failed",
    timeoutMs: UNBLOCKED_MS,
  });
  expect((await lab.fleetctlOk("stop", "quick-1.service")).ms).toBeLessThan(UNBLOCKED_MS);
  expect(await lab.activeState("quick-1.service", "m1")).toBe("inactive");
  expect((await lab.fleetctlOk("destroy", "quick-2.service")).ms).toBeLessThan(UNBLOCKED_MS);
  expect(lab.hasUnitFile("quick-2.service", "m1")).toBe(false);

  // All of this happened during the slow start.
  expect(await lab.activeState("slow.service", "m1")).toBe("activating");
  expect(performance.now() - startedAt).toBeLessThan(60_000);

  // And the slow start itself can be called off.
  expect((await lab.fleetctlOk("stop", "slow.service")).ms).toBeLessThan(UNBLOCKED_MS);
  expect(await lab.activeState("slow.service", "m1")).not.toBe("activating");
});

it("fleetctl start fails with the reason when a unit fails to start", async () => {
  const [path = ""] = lab.unitFiles({
    "broken.service": serviceText({ service: ["ExecStartPre=/bin/false", "ExecStart=/bin/sleep infinity"] }),
  });
  const result = await lab.fleetctl("start", path);
  expect(result).toMatchObject({ exitCode: 1 });
  expect(result.stderr).toMatch(/broken\.service failed on machine 11111111\.\.\./);
});
