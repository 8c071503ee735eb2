import type { ClusterMachine } from "@fleet/lab";
import { expect, it } from "vitest";
import { type Families, parseExposition, sampleValue } from "../contract/metrics/exposition-format.ts";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const AGENT_TTL_MS = 5_000;
const PATIENCE_MS = 20_000;

const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS });

type Labels = Readonly<Record<string, string>>;

async function scrape(machine: ClusterMachine): Promise<Families> {
  const { status, text } = await machine.request({ path: "/metrics" });
  expect(status).toBe(200);
  return parseExposition(text);
}

/** The value on one machine; 0 where there is no series of it yet. */
async function value(machine: ClusterMachine, name: string, labels?: Labels): Promise<number> {
  return sampleValue(await scrape(machine), name, labels) ?? 0;
}

/** Over all machines whose fleetd runs. */
async function sum(name: string, labels?: Labels): Promise<number> {
  const running = lab.machines.filter(({ fleetdPid }) => fleetdPid !== undefined);
  const values = await Promise.all(running.map((machine) => value(machine, name, labels)));
  return values.reduce((total, each) => total + each, 0);
}

async function until(what: string, probe: () => Promise<number>, wanted: (value: number) => boolean) {
  await lab.cluster.waitFor({ what, probe, until: wanted, timeoutMs: PATIENCE_MS });
}

it("counts placements where the leader is, tasks and states where the units are", async () => {
  const leader = await lab.leader();
  const placed = (step: string, reason: string) =>
    value(leader, "fleet_engine_steps_total", { step, reason });
  const before = {
    assigned: await placed("assign", "least_loaded"),
    gone: await placed("withdraw", "destroyed"),
  };

  const running = ["a.service", "b.service", "c.service", "d.service"];
  await lab.start(Object.fromEntries(running.map((name) => [name, serviceText()])));
  await until(
    "the placements to be counted",
    () => placed("assign", "least_loaded"),
    (count) => count === before.assigned + 4,
  );
  await until(
    "four units to be counted as active",
    () => sum("fleet_agent_units", { active_state: "active" }),
    (active) => active === 4,
  );
  await until(
    "their tasks to be counted",
    () => sum("fleet_agent_tasks_total", { task: "load", result: "done" }),
    (done) => done === 4,
  );
  await until(
    "their ways to active to be timed",
    () => sum("fleet_agent_activation_duration_seconds_count"),
    (timed) => timed === 4,
  );
  expect(await sum("fleet_agent_activation_duration_seconds_sum")).toBeGreaterThan(0);
  const requests = await sum("fleet_api_requests_total", { operation: "setUnit", status: "2xx" });
  expect(requests).toBeGreaterThanOrEqual(4);
  expect(await value(leader, "fleet_engine_machines", { state: "open" })).toBe(3);

  await lab.fleetctlOk("destroy", "a.service");
  await until(
    "the withdrawal to be counted",
    () => placed("withdraw", "destroyed"),
    (count) => count === before.gone + 1,
  );
  await until(
    "three units to be counted as active",
    () => sum("fleet_agent_units", { active_state: "active" }),
    (active) => active === 3,
  );
  for (const machine of lab.machines) {
    expect(
      [...(await scrape(machine)).values()].flatMap(({ samples }) =>
        samples.flatMap(({ labels }) => Object.values(labels)),
      ),
    ).not.toContain("b.service");
  }
});

it("shows units that fail, and what keeps others off every machine", async () => {
  const [broken = "", homeless = ""] = lab.unitFiles({
    "broken.service": serviceText({ service: ["ExecStart=/bin/false"] }),
    "homeless.service": serviceText({ xFleet: ["MachineMetadata=disk=ssd"] }),
  });
  await lab.fleetctl("start", broken);
  await lab.fleetctlOk("start", "--no-block", homeless);
  await until(
    "one unit to be counted as failed",
    () => sum("fleet_agent_units", { active_state: "failed" }),
    (failed) => failed === 1,
  );
  await until(
    "one unit to be counted as pending",
    () => sum("fleet_engine_units_pending", { cause: "MachineMetadata" }),
    (pending) => pending === 1,
  );
  expect(await sum("fleet_engine_units_unplaced")).toBe(1);
  await lab.fleetctlOk("destroy", "broken.service", "homeless.service");
  await until(
    "no unit to be counted as failed or pending",
    async () =>
      (await sum("fleet_agent_units", { active_state: "failed" })) +
      (await sum("fleet_engine_units_unplaced")),
    (left) => left === 0,
  );
});

it("shows one leader, and the next one when it dies", async () => {
  const former = await lab.leader();
  expect(await sum("fleet_engine_leader")).toBe(1);
  expect(await value(former, "fleet_engine_leader")).toBe(1);
  const term = await value(former, "fleet_engine_term");
  await former.killFleetd();
  await until(
    "another engine to lead",
    () => sum("fleet_engine_leader"),
    (leaders) => leaders === 1,
  );
  const next = await lab.leader();
  expect(next.name).not.toBe(former.name);
  expect(await value(next, "fleet_engine_leader")).toBe(1);
  expect(await value(next, "fleet_engine_terms_total")).toBeGreaterThanOrEqual(1);
  expect(await value(next, "fleet_engine_term")).toBeGreaterThan(term);
  const since = await value(next, "fleet_engine_leader_start_time_seconds");
  expect(Math.abs(Date.now() / 1_000 - since)).toBeLessThan(60);
  await until(
    "two machines to be left",
    () => value(next, "fleet_engine_machines", { state: "open" }),
    (open) => open === 2,
  );
});

it("shows that etcd is away, and that it is back", async () => {
  const leader = await lab.leader();
  const machine = lab.machines.find(({ name }) => name !== leader.name) ?? leader;
  const registered = () => value(machine, "fleet_agent_registered");
  const failures = async (): Promise<number> => {
    const { samples = [] } = (await scrape(machine)).get("fleet_registry_request_failures_total") ?? {};
    return samples.reduce((total, sample) => total + sample.value, 0);
  };
  const silentFor = async () =>
    Date.now() / 1_000 - (await value(machine, "fleet_registry_last_answer_timestamp_seconds"));
  expect(await registered()).toBe(1);
  expect(await silentFor()).toBeLessThan(AGENT_TTL_MS / 1_000);
  const before = {
    failures: await failures(),
    registrations: await value(machine, "fleet_agent_registrations_total"),
  };

  machine.cutOffFromEtcd();
  await until("failures to be counted", failures, (count) => count > before.failures);
  await until("the registration to be lost", registered, (is) => is === 0);
  expect(await silentFor()).toBeGreaterThan(1);
  expect((await machine.request({ path: "/fleet/v1/units" })).status).toBe(503);
  expect(
    await value(machine, "fleet_api_requests_total", { operation: "listUnits", status: "5xx" }),
  ).toBeGreaterThan(0);
  await until(
    "the leader to miss the machine",
    () => sum("fleet_engine_machines", { state: "open" }),
    (open) => open === 2,
  );

  machine.heal();
  await until("the machine to be registered", registered, (is) => is === 1);
  expect(await value(machine, "fleet_agent_registrations_total")).toBeGreaterThan(before.registrations);
  expect(await silentFor()).toBeLessThan(AGENT_TTL_MS / 1_000);
  await until(
    "all machines to be counted",
    () => sum("fleet_engine_machines", { state: "open" }),
    (open) => open === 3,
  );
});
