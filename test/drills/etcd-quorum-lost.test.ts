import { setTimeout as sleep } from "node:timers/promises";
import { describeFullMachines } from "../full-machines.ts";
import {
  comparedProcesses,
  drill,
  filesOf,
  startAll,
  unitNames,
  unitProcesses,
  untilActiveCount,
  useDrillCluster,
} from "./drill.ts";
import { secondsText } from "./timeline.ts";

const AWAY_MS = 60_000;
const CONVERGED_WITHIN_MS = 5_000;
/** At debug level, each attempt being a line: what is tried again and again is spaced out. */
const LINES_PER_SECOND = 10;

describeFullMachines("etcd loses its quorum", () => {
  const lab = useDrillCluster();

  drill("etcd-quorum-lost", lab, async ({ timeline, logged }) => {
    const names = unitNames(30);
    await startAll(lab, filesOf(names, lab.recordingService()));
    await startAll(lab, { "crashing.service": lab.recordingService() });
    const before = await unitProcesses(lab, names);
    const notedBefore = lab.events().length;
    const { "crashing.service": host = "" } = await lab.placements();
    const leader = await lab.cluster.etcd.leader();
    const lost = [leader, ...lab.cluster.etcd.members.filter((member) => member !== leader)].slice(0, 2);

    await Promise.all(lost.map((member) => member.kill()));
    timeline.fault(`${lost.map(({ name }) => name).join(" and ")} of 3 members of etcd killed with SIGKILL`);
    await sleep(2_000);
    await lab.machine(host).systemctl("kill", "--signal=KILL", "crashing.service");
    timeline.event("note", `crashing.service on ${host} killed: its state cannot be told now`);

    const [path = ""] = lab.unitFiles({ "late.service": lab.recordingService() });
    const refused = await lab.fleetctl("start", path);
    timeline.event("note", `fleetctl start, after ${secondsText(refused.ms)}: ${refused.stderr.trim()}`);
    const listed = await lab.machine("m2").request({ path: "/fleet/v1/units" });
    timeline.event("note", `GET /fleet/v1/units: ${listed.status} ${listed.text.slice(0, 150)}`);
    const changed = await lab.machine("m2").request({
      ...{ path: `/fleet/v1/units/${names[0]}`, method: "PUT", body: { desiredState: "inactive" } },
      timeoutMs: 20_000,
    });
    timeline.event("note", `PUT of a unit: ${changed.status} ${changed.text.slice(0, 150)}`);
    timeline.promise(
      "the API refuses changes with 503 and the reason, and fleetctl says it",
      changed.status === 503 && changed.text.includes("etcd") && refused.exitCode === 1,
      `PUT ${changed.status}, fleetctl exit code ${refused.exitCode}`,
    );

    await sleep(Math.max(0, timeline.faultAtMs + AWAY_MS - Date.now()));
    const during = comparedProcesses(before, await unitProcesses(lab, names));
    const lines = lab.machines.map(({ name }) => logged.countSince(name, timeline.faultAtMs + 5_000));
    const perSecond = Math.max(...lines) / (AWAY_MS / 1_000 - 5);
    timeline.promise(
      `no storm of attempts: at most ${LINES_PER_SECOND} lines of log a second`,
      perSecond <= LINES_PER_SECOND,
      `${perSecond.toFixed(1)} lines a second`,
    );

    const restarted = Promise.all(lost.map((member) => member.restart()));
    // From when members have elected one of them, not from when all of them serve.
    await lab.cluster.waitFor({
      what: "etcd to have a quorum",
      probe: () => lab.cluster.etcd.leader(),
      until: () => true,
      timeoutMs: 60_000,
    });
    const backAtMs = Date.now();
    timeline.event("repair", "etcd has its quorum again");
    await restarted;
    await lab.cluster.waitFor({
      what: "the crash to be told, and every API to answer",
      probe: async () => {
        for (const machine of lab.machines) await lab.cluster.units(machine);
        return await lab.state("crashing.service", host);
      },
      until: (state) => state?.systemdActiveState === "failed",
      timeoutMs: 60_000,
    });
    timeline.event("running", "the crash is told, all APIs answer");
    await lab.fleetctlOk("start", "--no-block", path);
    await untilActiveCount(lab, [...names, "late.service"], 60_000);
    const convergedMs = Date.now() - backAtMs;
    timeline.event("running", "late.service, and everything else is listed as active");
    timeline.promise(
      "everything converges within 5 s of the quorum",
      convergedMs <= CONVERGED_WITHIN_MS,
      secondsText(convergedMs),
    );
    await sleep(10_000);
    const after = comparedProcesses(before, await unitProcesses(lab, names));
    timeline.promise(
      "no unit is stopped or restarted while etcd is away",
      during.stopped + during.restarted === 0,
      during.figures,
    );
    const noted = lab.events().slice(notedBefore);
    const others = noted.filter(({ unit }) => names.includes(unit));
    timeline.promise(
      "nor afterwards, by systemd and by the units' own notes",
      after.stopped + after.restarted + others.length === 0,
      `${after.figures}; ${others.length} notes`,
    );
  });
});
