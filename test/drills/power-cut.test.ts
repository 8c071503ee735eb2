import { setTimeout as sleep } from "node:timers/promises";
import { describeFullMachines } from "../full-machines.ts";
import { drill, filesOf, startAll, unitNames, unitProcesses, useDrillCluster } from "./drill.ts";
import { placementsSince, revisionNow } from "./registry-history.ts";
import { secondsText } from "./timeline.ts";

const AGENT_TTL_MS = 5_000;
const ELSEWHERE_WITHIN_MS = AGENT_TTL_MS + 1_000;
const WATCHED_MS = 15_000;

describeFullMachines("a machine loses power", () => {
  const lab = useDrillCluster({ agentTtlMs: AGENT_TTL_MS });

  drill("power-cut", lab, async ({ timeline, logged }) => {
    const names = unitNames(30);
    await startAll(lab, filesOf(names, lab.recordingService()));
    const lost = lab.machine("m3");
    const placements = await lab.placements();
    const mine = names.filter((name) => placements[name] === lost.name);
    const revision = await revisionNow(lab.cluster.etcd);

    await lost.kill();
    timeline.fault(`${lost.name} is off: systemd, fleetd and ${mine.length} units gone at once`);
    const startsSince = (): readonly { readonly unit: string; readonly atMs: number }[] =>
      lab.events().filter(({ what, atMs }) => what === "start" && atMs >= timeline.faultAtMs);
    await lab.cluster.waitFor({
      what: "its units to run elsewhere",
      probe: async () => startsSince().length,
      until: (count) => count >= mine.length,
      timeoutMs: 40_000,
    });
    const elsewhereMs = Math.max(...startsSince().map(({ atMs }) => atMs)) - timeline.faultAtMs;
    timeline.event(
      "running",
      `${mine.length} units run elsewhere, by their own notes`,
      timeline.faultAtMs + elsewhereMs,
    );
    timeline.promise(
      "its units run elsewhere within agent_ttl + 1 s",
      elsewhereMs <= ELSEWHERE_WITHIN_MS,
      `${mine.length} units, the last after ${secondsText(elsewhereMs)}`,
    );
    await lost.reboot();
    timeline.event("repair", `${lost.name} has power again and is up`);
    await lab.cluster.waitFor({
      what: `${lost.name} to be listed`,
      probe: () => lab.cluster.listedMachines(),
      until: (machines) => machines.length === 3,
      timeoutMs: 30_000,
    });
    const counts: number[] = [];
    const untilMs = Date.now() + WATCHED_MS;
    while (Date.now() < untilMs) {
      counts.push((await unitProcesses(lab, names)).length);
      await sleep(200);
    }
    timeline.promise(
      "nothing runs twice once it is back",
      counts.every((count) => count === names.length),
      `${counts.length} looks in ${WATCHED_MS / 1_000} s: ${Math.min(...counts)} to ${Math.max(...counts)} processes of ${names.length} units`,
    );
    const again = startsSince().length;
    timeline.promise(
      "each of its units is started once more, and nothing else is",
      again === mine.length,
      `${again} starts`,
    );
    const placed = await placementsSince(lab.cluster.etcd, revision);
    timeline.promise(
      "each is placed once more, and nothing moves back",
      placed.length === mine.length,
      `${placed.length} placements; ${logged.of("machine_lost").length} losses`,
    );
  });
});
