import { setTimeout as sleep } from "node:timers/promises";
import { describeFullMachines } from "../full-machines.ts";
import { drill, filesOf, unitNames, unitProcesses, untilActiveCount, useDrillCluster } from "./drill.ts";
import { placementsSince, revisionNow } from "./registry-history.ts";
import { secondsText } from "./timeline.ts";

const UNITS = 200;
/** Killed when this many have been placed. */
const KILLED_AT = 40;

describeFullMachines("the leader dies while it places units", () => {
  // systemd starts fleetd again, which a busy host takes seconds for. Later than agent_ttl its machine would be lost, and
  // its units rightly moved: another fault, see power-cut and machine-partitioned.
  const lab = useDrillCluster({ agentTtlMs: 20_000 });

  drill("leader-killed", lab, async ({ timeline, logged }) => {
    const names = unitNames(UNITS);
    const paths = lab.unitFiles(filesOf(names, lab.recordingService()));
    const leader = await lab.leader();
    const via = lab.machines.find((machine) => machine !== leader) ?? leader;
    const revision = await revisionNow(lab.cluster.etcd);
    const assigned = (): number => logged.of("unit_assigned").length;

    const submitted = lab.cluster.fleetctl(["start", "--no-block", ...paths], { via, timeoutMs: 120_000 });
    await lab.cluster.waitFor({
      what: `${KILLED_AT} units to be placed`,
      probe: async () => assigned(),
      until: (count) => count >= KILLED_AT,
      timeoutMs: 30_000,
    });
    leader.signalFleetd("SIGKILL");
    timeline.fault(
      `fleetd on ${leader.name}, the leader, killed with SIGKILL; ${assigned()} of ${UNITS} units placed`,
    );
    const { exitCode, stderr } = await submitted;
    timeline.event(
      "note",
      `fleetctl start of ${UNITS} units ended with exit code ${exitCode} ${stderr.trim()}`,
    );
    await untilActiveCount(lab, names, 120_000, via);
    const allMs = Date.now() - timeline.faultAtMs;
    timeline.event("running", `all ${UNITS} units are active`);
    await sleep(10_000);

    const placements = await placementsSince(lab.cluster.etcd, revision);
    const placedOnce = names.filter((name) => placements.filter(({ unit }) => unit === name).length === 1);
    timeline.event("note", `${logged.of("machine_lost").length} machines were taken for lost`);
    timeline.promise(
      "each unit is placed exactly once, by etcd's history",
      placedOnce.length === UNITS && placements.length === UNITS,
      `${placedOnce.length} of ${UNITS} units, ${placements.length} placements`,
    );
    const starts = lab.events().filter(({ what }) => what === "start");
    const startedOnce = names.filter((name) => starts.filter(({ unit }) => unit === name).length === 1);
    timeline.promise(
      "each unit is started exactly once, by the units' own notes",
      startedOnce.length === UNITS && starts.length === UNITS && lab.events().length === UNITS,
      `${startedOnce.length} of ${UNITS} units, ${starts.length} starts, ${lab.events().length - starts.length} stops`,
    );
    const processes = await unitProcesses(lab, names);
    timeline.promise(
      "each unit runs once",
      processes.length === UNITS,
      `${processes.length} processes; all active ${secondsText(allMs)} after the kill`,
    );
    const won = logged.of("leadership_won").find(({ atMs }) => atMs > timeline.faultAtMs);
    timeline.promise(
      "another leads within leader_ttl + 1 s",
      won !== undefined && won.atMs - timeline.faultAtMs <= 6_000,
      won === undefined ? "nobody" : `${won.machine} after ${secondsText(won.atMs - timeline.faultAtMs)}`,
    );
  });
});
