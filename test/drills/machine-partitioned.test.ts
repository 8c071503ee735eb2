import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterMachine } from "@fleet/lab";
import { expect } from "vitest";
import { describeFullMachines } from "../full-machines.ts";
import { type Drill, drill, filesOf, startAll, unitNames, unitProcesses, useDrillCluster } from "./drill.ts";
import { exclusiveText, overlapsOf } from "./exclusive-notes.ts";
import { secondsText } from "./timeline.ts";

const AGENT_TTL_MS = 3_000;
const DUPLICATES_GONE_WITHIN_MS = 5_000;
/** Beyond agent_ttl: see docs/failures.md. */
const ELSEWHERE_WITHIN_MS = AGENT_TTL_MS + 1_000;
const exclusives = unitNames(3, "exclusive");
const plain = unitNames(12);
const names = [...exclusives, ...plain];

describeFullMachines("a machine has no network", () => {
  const lab = useDrillCluster({ agentTtlMs: AGENT_TTL_MS, restore: true });

  /** The machine to be cut off: not m1, whose API the lab asks. */
  const cut = (): ClusterMachine => lab.machine("m3");

  function notesOf(unit: string): ReturnType<typeof lab.events> {
    return lab.events().filter((event) => event.unit === unit);
  }

  function startedElsewhere(unit: string, sinceMs: number): number | undefined {
    return notesOf(unit).find(
      ({ what, machine, atMs }) => what === "start" && machine !== cut().name && atMs > sinceMs,
    )?.atMs;
  }

  async function play({ timeline, logged }: Drill, meanwhile: () => void): Promise<void> {
    // One after the other, so that each machine has one of them.
    await lab.start(filesOf(exclusives, exclusiveText(lab)));
    await startAll(lab, filesOf(plain, lab.recordingService()));
    const placements = await lab.placements();
    const mine = names.filter((name) => placements[name] === cut().name);
    const exclusive =
      mine.find((name) => exclusives.includes(name)) ?? expect.fail("none is exclusive there");
    const others = mine.filter((name) => name !== exclusive);

    await cut().full.unplug();
    timeline.fault(
      `the network cable of ${cut().name} is out; ${mine.length} units run there, ${exclusive} among them`,
    );
    await sleep(1_000);
    meanwhile();
    await lab.cluster.waitFor({
      what: "the other machines to run everything",
      probe: async () => mine.filter((name) => startedElsewhere(name, timeline.faultAtMs) === undefined),
      until: (missing) => missing.length === 0,
      timeoutMs: 40_000,
    });
    const failoverMs = Math.max(
      ...others.map((name) => (startedElsewhere(name, 0) ?? 0) - timeline.faultAtMs),
    );
    timeline.event(
      "running",
      `${others.length} units run elsewhere, by their own notes`,
      timeline.faultAtMs + failoverMs,
    );
    const exclusiveMs = (startedElsewhere(exclusive, 0) ?? 0) - timeline.faultAtMs;
    timeline.event(
      "running",
      `${exclusive} runs elsewhere, by its own notes`,
      timeline.faultAtMs + exclusiveMs,
    );
    const stoppedMs =
      (notesOf(exclusive).find(({ what }) => what === "stopping")?.atMs ?? Number.NaN) - timeline.faultAtMs;
    timeline.event(
      "running",
      `${exclusive} was stopped on ${cut().name}, by its own notes`,
      timeline.faultAtMs + stoppedMs,
    );
    await sleep(Math.max(0, timeline.faultAtMs + 3 * AGENT_TTL_MS - Date.now()));
    const twice = (await unitProcesses(lab, names)).length - names.length;

    await cut().full.plugIn();
    const healedAtMs = Date.now();
    timeline.event("repair", `the cable is in again; ${twice} units run twice`);
    await lab.cluster.waitFor({
      what: "no unit to run twice",
      probe: async () => (await unitProcesses(lab, names)).length,
      until: (count) => count === names.length,
      timeoutMs: 40_000,
    });
    const goneMs = Date.now() - healedAtMs;
    timeline.event("running", "every unit runs once");
    timeline.promise(
      "duplicates are gone within 5 s of healing",
      goneMs <= DUPLICATES_GONE_WITHIN_MS,
      `${twice} units, ${secondsText(goneMs)}`,
    );
    timeline.promise(
      "what is not exclusive runs elsewhere within agent_ttl + 1 s, and ran on where it was",
      failoverMs <= ELSEWHERE_WITHIN_MS && twice === others.length,
      `${others.length} units, the last after ${secondsText(failoverMs)}`,
    );
    await sleep(3_000);
    const overlaps = exclusives.flatMap((name) => overlapsOf(notesOf(name)));
    timeline.promise(
      "an exclusive unit runs on no two machines at any moment, by its own notes every 50 ms",
      overlaps.length === 0,
      overlaps[0] ?? `stopped after ${secondsText(stoppedMs)}, elsewhere after ${secondsText(exclusiveMs)}`,
    );
    const moved = new Set(mine);
    const disturbed = names.filter(
      (name) => !moved.has(name) && notesOf(name).filter(({ what }) => what !== "runs").length > 1,
    );
    timeline.promise(
      "units of the other machines are left alone",
      disturbed.length === 0,
      `${disturbed.length} disturbed`,
    );
    const lost = logged.of("machine_lost").length;
    timeline.promise("one machine is seen as lost, once", lost === 1, `${lost} losses`);
  }

  drill("machine-partitioned", lab, async (played) => {
    await play(played, () => undefined);
  });

  drill("machine-partitioned, fleetd killed meanwhile", lab, async (played) => {
    await play(played, () => {
      cut().signalFleetd("SIGKILL");
      played.timeline.event("fault", `fleetd on ${cut().name} killed with SIGKILL; systemd starts it again`);
    });
  });
});
