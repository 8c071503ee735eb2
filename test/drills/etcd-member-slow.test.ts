import { setTimeout as sleep } from "node:timers/promises";
import type { EtcdMember } from "@fleet/lab";
import { expect } from "vitest";
import { describeFullMachines } from "../full-machines.ts";
import {
  comparedProcesses,
  type Drill,
  drill,
  filesOf,
  startAll,
  type UnitProcess,
  unitNames,
  unitProcesses,
  untilActiveCount,
  useDrillCluster,
} from "./drill.ts";
import { secondsText } from "./timeline.ts";

const AGENT_TTL_MS = 5_000;
const FROZEN_MS = 30_000;
const names = unitNames(30);

describeFullMachines("one of three members of etcd is slow, or another one", () => {
  const lab = useDrillCluster({ agentTtlMs: AGENT_TTL_MS });
  let round = 0;
  let before: readonly UnitProcess[] = [];

  /** One trouble with etcd, units started meanwhile, and what is promised about it. */
  async function play(played: Drill, what: string, trouble: () => Promise<void>): Promise<void> {
    const { timeline, logged } = played;
    round += 1;
    const late = unitNames(5, `late${round}x`);
    const missing = names.filter((name) => !before.some(({ unit }) => unit === name));
    expect(missing).toEqual([]);
    const notedBefore = lab.events().length;
    const troubled = trouble();
    await sleep(500);
    const startedAtMs = Date.now();
    const paths = lab.unitFiles(filesOf(late, lab.recordingService()));
    // While etcd's members elect a leader the API refuses changes; who is refused asks again.
    const { value: started } = await lab.cluster.waitFor({
      what: "fleetctl start to be taken",
      probe: async () => {
        const result = await lab.fleetctl("start", "--no-block", ...paths);
        const said = result.stderr.trim().split("\n")[0] ?? "";
        timeline.event(
          "note",
          `fleetctl start, ${secondsText(result.ms)}: exit code ${result.exitCode} ${said}`,
        );
        return result;
      },
      until: ({ exitCode }) => exitCode === 0,
      timeoutMs: 30_000,
    });
    await untilActiveCount(lab, late, 30_000).catch(() => undefined);
    const startedMs = Date.now() - startedAtMs;
    timeline.event("running", `5 new units are active, ${secondsText(startedMs)} after they were asked for`);
    await troubled;
    await sleep(2 * AGENT_TTL_MS);
    const compared = comparedProcesses(before, await unitProcesses(lab, names));
    const notes = lab
      .events()
      .slice(notedBefore)
      .filter(({ unit }) => names.includes(unit));
    timeline.promise(
      `no unit is stopped or restarted: ${what}`,
      compared.stopped + compared.restarted + notes.length === 0,
      `${compared.figures}; ${notes.length} notes`,
    );
    const lost = logged.of("machine_lost").filter(({ atMs }) => atMs >= timeline.faultAtMs).length;
    const listed = (await lab.cluster.listedMachines()).length;
    timeline.promise(
      `no machine is lost: ${what}`,
      lost === 0 && listed === 3,
      `${lost} losses, ${listed} machines listed`,
    );
    const running = await unitProcesses(lab, late);
    timeline.promise(
      `new units run within leader_ttl + 5 s of being asked for: ${what}`,
      started.exitCode === 0 && running.length === late.length && startedMs < 10_000,
      `exit code ${started.exitCode}, ${running.length} of ${late.length} after ${secondsText(startedMs)}`,
    );
  }

  async function frozen(played: Drill, member: EtcdMember, what: string): Promise<void> {
    await play(played, what, async () => {
      member.pause();
      played.timeline.fault(`${member.name}, ${what}, frozen with SIGSTOP`);
      await sleep(FROZEN_MS);
      member.resume();
      played.timeline.event("repair", `${member.name} goes on`);
    });
  }

  drill("etcd-member-slow, the one that leads", lab, async (played) => {
    await startAll(lab, filesOf(names, lab.recordingService()));
    before = await unitProcesses(lab, names);
    await frozen(played, await lab.cluster.etcd.leader(), "the leader of etcd");
  });

  drill("etcd-member-slow, one that follows", lab, async (played) => {
    const { etcd } = lab.cluster;
    const leader = await etcd.leader();
    const follower = etcd.members.find((member) => member !== leader) ?? expect.fail("no follower");
    await frozen(played, follower, "a follower in etcd");
  });

  drill("etcd-member-slow, each replaced in turn", lab, async (played) => {
    const { etcd } = lab.cluster;
    await play(played, "all members replaced", async () => {
      for (const member of etcd.members) {
        played.timeline.fault(`${member.name} loses its disk`);
        await etcd.replace(member);
        played.timeline.event("repair", `${member.name} is replaced by an empty member, which has caught up`);
      }
    });
  });
});
