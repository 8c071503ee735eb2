import { readFileSync } from "node:fs";
import { beforeAll, expect, it, vi } from "vitest";
import { z } from "zod";
import { serviceText, useLabCluster } from "../e2e/lab-cluster.ts";

const AGENT_TTL_MS = 3_000;

// etcd takes its options from the environment, too.
beforeAll(() => {
  vi.stubEnv("ETCD_QUOTA_BACKEND_BYTES", String(16 * 1024 * 1024));
});

const lab = useLabCluster({ machines: [{}, {}], restore: false, agentTtlMs: AGENT_TTL_MS });

const here = serviceText({ xFleet: [`MachineID=${"1".repeat(32)}`] });

const header = z.object({ header: z.object({ revision: z.string() }) });
const alarms = z.object({ alarms: z.array(z.object({ memberID: z.string(), alarm: z.string() })) });

/** A call of etcd's JSON gateway. */
async function etcd(
  path: string,
  body: unknown,
): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await fetch(`${lab.cluster.etcd.endpoints[0]}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text() };
}

/** Somebody else fills etcd until it takes no more. */
async function fillUp(): Promise<void> {
  const value = "A".repeat(1_000_000);
  for (let n = 0; n < 100; n += 1) {
    const { status, text } = await etcd("kv/put", { key: btoa(`/foreign/${n}`), value });
    if (status === 200) continue;
    expect(text).toContain("database space exceeded");
    return;
  }
  throw new Error("etcd was not to be filled");
}

/** As etcd's documentation has an operator do it. */
async function makeRoom(): Promise<void> {
  const { text } = await etcd("kv/deleterange", { key: btoa("/foreign/"), range_end: btoa("/foreign0") });
  await etcd("kv/compaction", { revision: header.parse(JSON.parse(text)).header.revision, physical: true });
  expect((await etcd("maintenance/defragment", {})).status).toBe(200);
  const raised = alarms.parse(JSON.parse((await etcd("maintenance/alarm", { action: "GET" })).text));
  for (const { memberID, alarm } of raised.alarms) {
    expect((await etcd("maintenance/alarm", { action: "DEACTIVATE", memberID, alarm })).status).toBe(200);
  }
}

function logLines(): number {
  return readFileSync(lab.machine("m1").fleetdLog, "utf8").split("\n").length;
}

it("a full etcd takes no changes, and the API and fleetctl say why; what runs goes on, and all is well after", async () => {
  const m1 = lab.machine("m1");
  await lab.start({ "before.service": here, "crashing.service": here, "stopped.service": here });
  await lab.untilActive(["before.service m1", "crashing.service m1", "stopped.service m1"]);
  const pid = await lab.mainPid("before.service", "m1");
  await fillUp();

  const [path = ""] = lab.unitFiles({ "late.service": here });
  const started = await lab.fleetctl("start", path);
  expect(started).toMatchObject({ exitCode: 1, stdout: "" });
  expect(started.stderr).toContain("etcd has no space left and takes no changes: ");
  expect(started.stderr).toContain("etcdctl alarm disarm lets changes in again.");
  const change = {
    path: "/fleet/v1/units/before.service",
    method: "PUT",
    body: { desiredState: "inactive" },
  };
  expect(await m1.request(change)).toMatchObject({ status: 503 });

  // Its new state cannot be stored: the machine must not be lost over it.
  await m1.systemctl("kill", "--signal=KILL", "crashing.service");
  await new Promise((resolve) => setTimeout(resolve, 3 * AGENT_TTL_MS));
  const linesBefore = logLines();
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  // At debug level each attempt is a line: no storm of them.
  expect(logLines() - linesBefore).toBeLessThan(50);
  expect(await lab.cluster.listedMachines()).toHaveLength(2);
  expect(await lab.fleetctlOk("list-units")).toMatchObject({
    stdout: expect.stringContaining("before.service"),
  });
  expect(await lab.mainPid("before.service", "m1")).toBe(pid);
  // What takes no room is carried out.
  // Not waited for: that the unit is gone from its machine cannot be stored.
  await lab.fleetctlOk("destroy", "--no-block", "stopped.service");
  await lab.cluster.waitFor({
    what: "stopped.service to be stopped",
    probe: () => lab.activeState("stopped.service", "m1"),
    until: (state) => state === "inactive",
    timeoutMs: 5_000,
  });

  await makeRoom();
  await lab.fleetctlOk("start", path);
  await lab.untilActive(["before.service m1", "late.service m1"], 10_000);
  expect(await lab.state("crashing.service", "m1")).toMatchObject({ systemdActiveState: "failed" });
  expect(await lab.mainPid("before.service", "m1")).toBe(pid);
});
