import { describe, expect, it } from "vitest";
import { describeFullMachines } from "../full-machines.ts";
import { type LabCluster, serviceText, useLabCluster } from "./lab-cluster.ts";

const AGENT_TTL_MS = 5_000;

/** What must be as it was: processes, orders, and for which units machines report. */
interface Picture {
  readonly mainPids: readonly string[];
  /** Key and revision of each assignment: one that was written again has another. */
  readonly assignments: readonly string[];
  readonly rows: readonly string[];
}

async function pictureOf(lab: LabCluster, units: readonly string[]): Promise<Picture> {
  const placements = await lab.placements();
  const rows = await lab.registryRows();
  const mainPids = units.map((unit) => lab.mainPid(unit, placements[unit] ?? ""));
  return {
    mainPids: await Promise.all(mainPids),
    assignments: rows
      .filter(({ key }) => key.startsWith("assignments/") && !key.endsWith("/@settled"))
      .map(({ key, modRevision }) => `${key} ${modRevision}`),
    rows: stateRows(rows),
  };
}

function stateRows(rows: readonly { readonly key: string }[]): readonly string[] {
  return rows.flatMap(({ key }) => (key.startsWith("states/") ? [key] : []));
}

/** Ten units, all of them up. */
async function tenUnits(lab: LabCluster): Promise<readonly string[]> {
  const names = Array.from({ length: 10 }, (_, index) => `run-${index}.service`);
  const files = lab.unitFiles(Object.fromEntries(names.map((name) => [name, serviceText()])));
  await lab.fleetctlOk("start", ...files);
  const placements = await lab.placements();
  await lab.untilActive(names.map((name) => `${name} ${placements[name]}`));
  return names;
}

/** Whether the state rows were all there each time that `work` left a moment to look, and until the leases of before are over. */
async function rowsStayDuring(
  lab: LabCluster,
  rows: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const startedAt = performance.now();
  let working = true;
  const worked = work().finally(() => {
    working = false;
  });
  while (working || performance.now() - startedAt < AGENT_TTL_MS + 2_000) {
    expect(stateRows(await lab.registryRows())).toEqual(rows);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await worked;
}

describe("SIGTERM with shutdown_policy=keep", () => {
  const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS, env: { FLEET_SHUTDOWN_POLICY: "keep" } });

  it("leaves ten units running, for the next fleetd to take over", async () => {
    const units = await tenUnits(lab);
    const before = await pictureOf(lab, units);
    expect(before.rows).toHaveLength(10);
    expect(before.mainPids).not.toContain("0");
    await rowsStayDuring(lab, before.rows, async () => {
      for (const machine of lab.machines) {
        expect(await machine.stopFleetd()).toBe(0);
        await machine.startFleetd();
      }
    });
    expect(await pictureOf(lab, units)).toEqual(before);
    expect((await lab.active()).length).toBe(10);
  });

  it("a fleetd that stays away lets its units move, and ends their doubles when it is back", async () => {
    const [path = ""] = lab.unitFiles({ "a.service": lab.recordingService() });
    await lab.fleetctlOk("start", path);
    const [first] = lab.machines;
    expect(await lab.machinesRunning("a.service")).toEqual(["m1"]);
    await first?.stopFleetd();
    await lab.untilActive(["a.service m2"]);
    expect(await lab.machinesRunning("a.service")).toEqual(["m1", "m2"]);
    await first?.startFleetd();
    const { ms } = await lab.cluster.waitFor({
      what: "the unit to run once",
      probe: () => lab.machinesRunning("a.service"),
      until: (machines) => machines.length === 1,
      timeoutMs: 15_000,
    });
    expect(ms).toBeLessThan(5_000);
    expect(await lab.machinesRunning("a.service")).toEqual(["m2"]);
    expect(lab.history("a.service")).toEqual(["m1 start", "m2 start", "m1 stopping", "m1 stopped with file"]);
  });

  it("with unload instead the units move and the machine is gone at once", async () => {
    const units = await tenUnits(lab);
    const first = lab.machine("m1");
    await first.stopFleetd();
    await first.startFleetd({ env: { FLEET_SHUTDOWN_POLICY: "unload" } });
    const before = await lab.placements();
    expect(Object.values(before)).toContain("m1");
    const stoppedAt = performance.now();
    expect(await first.stopFleetd()).toBe(0);
    await lab.cluster.waitFor({
      what: "all units to be placed on m2 and m3",
      probe: () => lab.active(),
      until: (active) => active.length === 10 && active.every((line) => !line.endsWith(" m1")),
      timeoutMs: 15_000,
    });
    expect(performance.now() - stoppedAt).toBeLessThan(AGENT_TTL_MS);
    for (const unit of units) expect(await lab.activeState(unit, "m1")).toBe("inactive");
  });
});

describeFullMachines("systemctl restart fleet.service with shutdown_policy=keep", () => {
  const lab = useLabCluster({
    machines: [{ kind: "full", env: { FLEET_SHUTDOWN_POLICY: "keep" } }, { kind: "light" }],
    agentTtlMs: AGENT_TTL_MS,
  });

  it("leaves the units in their processes", async () => {
    const units = await tenUnits(lab);
    const before = await pictureOf(lab, units);
    const first = lab.machine("m1");
    const pid = first.fleetdPid;
    await rowsStayDuring(lab, before.rows, async () => {
      expect((await first.run(["systemctl", "restart", "fleet.service"])).exitCode).toBe(0);
    });
    expect(first.fleetdPid).not.toBe(pid);
    expect(await pictureOf(lab, units)).toEqual(before);
  });
});
