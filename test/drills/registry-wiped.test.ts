import { setTimeout as sleep } from "node:timers/promises";
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
import { secondsText } from "./timeline.ts";

/** Longer than the lease of any machine. */
const UNATTENDED_MS = 15_000;

describeFullMachines("the registry is wiped", () => {
  const lab = useDrillCluster();

  drill("registry-wiped", lab, async ({ timeline }) => {
    const names = unitNames(30);
    await startAll(lab, filesOf(names, lab.recordingService()));
    const before = await unitProcesses(lab, names);
    const notedBefore = lab.events().length;
    const where = await lab.active();

    await lab.cluster.wipeRegistry();
    timeline.fault("all keys of the cluster deleted from etcd");
    const { ms: noticedMs } = await lab.cluster.waitFor({
      what: "every API to refuse",
      probe: () => Promise.all(lab.machines.map((machine) => machine.request({ path: "/fleet/v1/units" }))),
      until: (answers) => answers.every(({ status }) => status === 503),
      timeoutMs: 15_000,
    });
    timeline.event("detection", "all three APIs answer 503");
    const refused = await lab.fleetctl("list-units");
    timeline.event("note", `fleetctl list-units, exit code ${refused.exitCode}:`);
    for (const line of refused.stderr.trim().split("\n")) timeline.event("note", `  ${line.trim()}`);
    timeline.promise(
      "fleetctl says what happened and names the way out",
      refused.exitCode === 1 && refused.stderr.includes("fleetctl reseed"),
      `noticed everywhere after ${secondsText(noticedMs)}`,
    );
    await sleep(UNATTENDED_MS);
    const frozen = comparedProcesses(before, await unitProcesses(lab, names));
    timeline.promise(
      "no unit is stopped or restarted while nobody does anything about it",
      frozen.stopped + frozen.restarted === 0,
      frozen.figures,
    );

    const reseeded = await lab.fleetctl("reseed", "--yes", "--wait-for=3");
    timeline.event("repair", `fleetctl reseed --yes --wait-for=3, after ${secondsText(reseeded.ms)}:`);
    for (const line of reseeded.stderr.trim().split("\n")) timeline.event("note", `  ${line.trim()}`);
    const listedMs = await lab.untilActive(where, 30_000);
    timeline.event("running", "all units are listed where they run");
    timeline.promise(
      "after fleetctl reseed every unit is listed again, where it runs",
      reseeded.exitCode === 0,
      `reseed took ${secondsText(reseeded.ms)}, the list ${secondsText(listedMs)} more`,
    );
    await sleep(UNATTENDED_MS);
    const after = comparedProcesses(before, await unitProcesses(lab, names));
    const notes = lab.events().length - notedBefore;
    timeline.promise(
      "and has the main process that it had before",
      after.stopped + after.restarted + notes === 0,
      `${after.figures}; ${notes} notes of starts and stops`,
    );
  });
});
