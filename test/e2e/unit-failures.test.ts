import { describe, expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const lab = useLabCluster();

/** Notes each start, and fails at once. */
const failing = (xFleet: readonly string[] = [], more: readonly string[] = []): string =>
  serviceText({
    service: [`ExecStart=/bin/sh -c '${lab.note("start")}; exit 1'`, ...more],
    ...(xFleet.length === 0 ? {} : { xFleet }),
  });

const untilFailed = async (unit: string): Promise<void> => {
  await lab.cluster.waitFor({
    what: `${unit} to be reported failed`,
    probe: () => lab.cluster.states(),
    until: (states) =>
      states.some(({ name, systemdActiveState }) => name === unit && systemdActiveState === "failed"),
    timeoutMs: 15_000,
  });
};

describe("a unit that fails", () => {
  it("is reported as such, started again by systemd as its Restart= says, and by fleet not at all", async () => {
    const text = failing([], ["Restart=on-failure", "RestartSec=100ms"]);
    const [path = ""] = lab.unitFiles({
      "crash.service": `[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=1h\n${text}`,
    });
    // systemd starts it again so fast that the command may find it active: either answer will do.
    await lab.fleetctl("start", path);
    await untilFailed("crash.service");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(lab.history("crash.service")).toEqual(["m1 start", "m1 start", "m1 start"]);

    // Its limit of starts used up, it is started again all the same when somebody asks for that.
    const again = await lab.fleetctl("start", "crash.service");
    expect(again.stderr).toContain("Unit crash.service has failed: starting it again.\n");
    await lab.untilEvents("crash.service", 6);
    await untilFailed("crash.service");
    expect(lab.history("crash.service")).toEqual(Array.from({ length: 6 }, () => "m1 start"));
  });

  it("is started again where it failed, and runs on where it runs: a global one", async () => {
    const service = [`ExecStartPre=/bin/sh -c '${lab.note("start")}'`, "ExecStart=/bin/sleep infinity"];
    const [path = ""] = lab.unitFiles({
      "g.service": serviceText({ service, xFleet: ["Global=true"] }),
    });
    await lab.fleetctlOk("start", path);
    await lab.untilActive(["g.service m1", "g.service m2", "g.service m3"]);
    const pid = await lab.mainPid("g.service", "m1");
    await lab.machine("m2").systemctl("kill", "--signal=SIGKILL", "g.service");
    await untilFailed("g.service");
    const { stderr } = await lab.fleetctlOk("start", "g.service");
    expect(stderr).toContain("Unit g.service has failed: starting it again.\n");
    await lab.untilActive(["g.service m1", "g.service m2", "g.service m3"]);
    expect(await lab.mainPid("g.service", "m1")).toBe(pid);
    expect([...lab.history("g.service")].sort()).toEqual(["m1 start", "m2 start", "m2 start", "m3 start"]);
  });

  it("with RescheduleOnFailure moves on, not twice to where it just failed, and stays when the limit is reached", async () => {
    const [path = ""] = lab.unitFiles({
      "r.service": failing(["RescheduleOnFailure=true", "RescheduleLimitBurst=2"]),
    });
    await lab.fleetctl("start", path);
    await lab.untilEvents("r.service", 3, 30_000);
    expect(lab.history("r.service")).toEqual(["m1 start", "m2 start", "m3 start"]);
    await untilFailed("r.service");
    const leader = await lab.leader();
    await lab.cluster.waitFor({
      what: "the leader to say that the limit is reached",
      probe: async () => leader.logTail(200),
      until: (log) => /unit_not_rescheduled .*reason=limit/.test(log),
      timeoutMs: 45_000,
    });
    expect(lab.history("r.service")).toHaveLength(3);
    expect(await lab.placements()).toEqual({ "r.service": "m3" });
  });
});
