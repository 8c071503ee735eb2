import { beforeAll, describe, expect, it } from "vitest";
import { serviceText, useLabCluster } from "../e2e/lab-cluster.ts";

// Short: a machine that did not renew its lease would be lost within the test.
const AGENT_TTL_MS = 3_000;

const lab = useLabCluster({ machines: [{}, {}], restore: false, agentTtlMs: AGENT_TTL_MS });

const here = serviceText({ xFleet: [`MachineID=${"1".repeat(32)}`] });
const elsewhere = serviceText({ xFleet: [`MachineID=${"2".repeat(32)}`] });

/** Shell on m1, in the directory of its units. */
async function onM1(script: string): Promise<void> {
  const { machine } = lab.machine("m1");
  const result = await machine.run(["sh", "-ec", `cd ${machine.unitsDirectory}\n${script}`]);
  expect(result).toMatchObject({ exitCode: 0 });
}

/** Puts m1's units directory on a file system of its own, of 128 KiB. */
const ownFileSystem = `
  directory=$(pwd)
  mkdir -p $directory.copy && cp -a . $directory.copy
  mount -t tmpfs -o size=128k tmpfs $directory
  cp -a $directory.copy/. $directory`;

function listed(): Promise<number> {
  return lab.cluster.listedMachines().then((machines) => machines.length);
}

beforeAll(async () => {
  const m1 = lab.machine("m1");
  await m1.killFleetd();
  await onM1(ownFileSystem);
  await m1.startFleetd();
});

describe.each([
  {
    what: "full",
    breaks: "dd if=/dev/zero of=filler bs=1k 2>/dev/null || :",
    repairs: "rm filler",
    says: "ENOSPC: no space left on device",
  },
  {
    what: "read-only",
    breaks: "mount -o remount,ro,size=128k $(pwd)",
    repairs: "mount -o remount,rw,size=128k $(pwd)",
    says: "EROFS: read-only file system",
  },
])("a units directory that is $what", ({ what, breaks, repairs, says }) => {
  it("keeps new units from starting there, says so, holds up nobody else, and needs no restart after", async () => {
    const m1 = lab.machine("m1");
    const [before, late, other] = [`before-${what}.service`, `late-${what}.service`, `other-${what}.service`];
    await lab.start({ [before]: here });
    const pid = await lab.mainPid(before, "m1");
    const others = await lab.active();
    await onM1(breaks);

    const [path = ""] = lab.unitFiles({ [late]: here });
    const started = await lab.fleetctl("start", "--block-attempts=6", path);
    expect(started).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(
        `Unit ${late} is not launched yet: waiting for machine 11111111... (what keeps it is in fleetd's log there)`,
      ),
    });
    expect(m1.logTail(40)).toMatch(new RegExp(`task_failed unit=${late} .*${says}.*retry_in_ms=`));
    await lab.start({ [other]: elsewhere });
    await new Promise((resolve) => setTimeout(resolve, 2 * AGENT_TTL_MS));
    expect(await listed()).toBe(2);
    expect(await lab.mainPid(before, "m1")).toBe(pid);

    await onM1(repairs);
    // Retries are up to 30 s apart.
    await lab.untilActive([...others, `${late} m1`, `${other} m2`], 40_000);
    expect(await lab.mainPid(before, "m1")).toBe(pid);
  });
});

it("a fleetd that is started anew in a full units directory keeps its machine and its units", async () => {
  const m1 = lab.machine("m1");
  const pid = await lab.mainPid("before-full.service", "m1");
  const active = await lab.active();
  await onM1("dd if=/dev/zero of=filler bs=1k 2>/dev/null || :");
  await m1.killFleetd();
  await m1.startFleetd();
  await new Promise((resolve) => setTimeout(resolve, 2 * AGENT_TTL_MS));
  expect([await listed(), await lab.active()]).toEqual([2, active]);
  await onM1("rm filler");
  expect(await lab.mainPid("before-full.service", "m1")).toBe(pid);
  await lab.start({ "after.service": here });
  await lab.untilActive([...active, "after.service m1"]);
});
