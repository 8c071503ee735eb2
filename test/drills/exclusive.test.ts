import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterMachine } from "@fleet/lab";
import { describe, expect, it } from "vitest";
import { type ServiceEvent, serviceText, useLabCluster } from "../e2e/lab-cluster.ts";
import { drill } from "./drill.ts";
import { exclusiveText, overlapsOf } from "./exclusive-notes.ts";
import { secondsText, type Timeline } from "./timeline.ts";

const AGENT_TTL_MS = 2_000;
/** One ExecStop and what is left after SIGTERM, TimeoutStopSec each. */
const STOP_BOUND_MS = 6_000;
const MARGIN_MS = 1_000;
/** Of what takes the cluster milliseconds, on a busy host. */
const SLACK_MS = 4_000;

const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS });

const UNIT = "only.service";

/** Starts the unit; resolves with the machine it came to. */
async function startUnit(): Promise<ClusterMachine> {
  await lab.start({ [UNIT]: exclusiveText(lab) });
  const { [UNIT]: name = expect.fail("not placed") } = await lab.placements();
  await lab.untilActive([`${UNIT} ${name}`]);
  return lab.machine(name);
}

function eventsOf(machine: string, ...what: readonly string[]): readonly ServiceEvent[] {
  return lab.events().filter((event) => event.machine === machine && what.includes(event.what));
}

async function untilNoted(machine: string, what: string, count = 1, timeoutMs = 30_000): Promise<void> {
  await lab.cluster.waitFor({
    what: `${machine} to note "${what}" ${count} times`,
    probe: async () => eventsOf(machine, what).length,
    until: (seen) => seen >= count,
    timeoutMs,
  });
}

/** What is judged by the unit's own notes. */
function promiseOneAtATime(timeline: Timeline): void {
  const overlaps = overlapsOf(lab.events());
  timeline.promise(
    "it runs on one machine at a time, and whenever it goes its ExecStop has completed",
    overlaps.length === 0,
    overlaps[0] ?? `${lab.events().length} notes`,
  );
}

const lossesOfFleetd: readonly (readonly [
  what: string,
  lose: (machine: ClusterMachine) => Promise<void> | void,
  regain: (machine: ClusterMachine) => Promise<void> | void,
])[] = [
  ["fleetd alive", () => {}, () => {}],
  ["fleetd killed with SIGKILL", (machine) => machine.killFleetd(), (machine) => machine.startFleetd()],
  [
    "fleetd stopped with SIGSTOP",
    (machine) => machine.signalFleetd("SIGSTOP"),
    (machine) => machine.signalFleetd("SIGCONT"),
  ],
];

describe.each(lossesOfFleetd)("an exclusive unit on a machine that is cut off, %s", (what, lose, regain) => {
  drill(`exclusive, ${what}, until it runs elsewhere`, lab, async ({ timeline }) => {
    const machine = await startUnit();
    timeline.fault(`${machine.name}, where ${UNIT} runs, cut off from etcd, ${what}`);
    machine.cutOffFromEtcd();
    await lose(machine);
    await untilNoted(machine.name, "stopped");
    const stoppingMs = (eventsOf(machine.name, "stopping")[0]?.atMs ?? Number.NaN) - timeline.faultAtMs;
    timeline.event("running", "its ExecStop began, by its own notes", timeline.faultAtMs + stoppingMs);
    timeline.promise("it is stopped within agent_ttl", stoppingMs < AGENT_TTL_MS, secondsText(stoppingMs));

    const elsewhere = (): ServiceEvent | undefined =>
      lab.events().find((event) => event.machine !== machine.name && event.what === "start");
    await lab.cluster.waitFor({
      what: "the unit to start elsewhere",
      probe: async () => elsewhere(),
      until: (event) => event !== undefined,
      timeoutMs: 2 * AGENT_TTL_MS + STOP_BOUND_MS + MARGIN_MS + SLACK_MS,
    });
    const { machine: home, atMs } = elsewhere() ?? expect.fail("it did not start elsewhere");
    const elsewhereMs = atMs - timeline.faultAtMs;
    timeline.event("running", `it starts on ${home}, by its own notes`, atMs);
    timeline.promise(
      "it waits for agent_ttl, its stop and 1 s before it starts elsewhere",
      elsewhereMs > AGENT_TTL_MS + STOP_BOUND_MS + MARGIN_MS,
      secondsText(elsewhereMs),
    );

    machine.heal();
    await regain(machine);
    timeline.event("repair", `${machine.name} reaches etcd again`);
    await lab.cluster.waitFor({
      what: "the machine to be back and rid of the unit",
      probe: async () => ({
        listed: (await lab.cluster.listedMachines()).length,
        file: lab.hasUnitFile(UNIT, machine.name),
      }),
      until: ({ listed, file }) => listed === 3 && !file,
      timeoutMs: 20_000,
    });
    await lab.untilActive([`${UNIT} ${home}`]);
    promiseOneAtATime(timeline);
    const there = eventsOf(machine.name, "start", "stopping", "stopped").map((event) => event.what);
    timeline.promise(
      "it is not started again where it was",
      there.join() === "start,stopping,stopped",
      there.join(", "),
    );
  });

  drill(`exclusive, ${what}, back after three times agent_ttl`, lab, async ({ timeline }) => {
    const machine = await startUnit();
    timeline.fault(`${machine.name}, where ${UNIT} runs, cut off from etcd, ${what}`);
    machine.cutOffFromEtcd();
    await lose(machine);
    await sleep(3 * AGENT_TTL_MS);
    machine.heal();
    await regain(machine);
    timeline.event("repair", `${machine.name} reaches etcd again`);
    await untilNoted(machine.name, "start", 2);
    await lab.untilActive([`${UNIT} ${machine.name}`]);
    promiseOneAtATime(timeline);
    const elsewhere = lab.events().filter((event) => event.machine !== machine.name);
    timeline.promise(
      "it starts there again, and nowhere else",
      elsewhere.length === 0,
      `${elsewhere.length} notes elsewhere`,
    );
  });
});

it("what nobody could wait for is refused", async () => {
  const text = serviceText({
    service: ["ExecStart=/bin/sleep infinity", "TimeoutStopSec=infinity"],
    xFleet: ["Exclusive=true"],
  });
  const [path = ""] = lab.unitFiles({ "endless.service": text });
  const result = await lab.fleetctl("submit", path);
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toContain("Exclusive cannot be used with TimeoutStopSec=infinity");
});
