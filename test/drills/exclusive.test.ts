import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterMachine } from "@fleet/lab";
import { describe, expect, it } from "vitest";
import { type ServiceEvent, serviceText, useLabCluster } from "../e2e/lab-cluster.ts";

const AGENT_TTL_MS = 2_000;
/** One ExecStop and what is left after SIGTERM, TimeoutStopSec each. */
const STOP_BOUND_MS = 6_000;
const MARGIN_MS = 1_000;
/** Of what takes the cluster milliseconds, on a busy host. */
const SLACK_MS = 4_000;

const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS });

const UNIT = "only.service";

/** Says every 50 ms that it runs, and when its ExecStop begins and has completed. */
function exclusiveText(): string {
  const beat = `while :; do ${lab.note("runs")}; sleep 0.05; done`;
  const stop = [lab.note("stopping"), "sleep 0.3", lab.note("stopped")].join("; ");
  return serviceText({
    service: [
      `ExecStart=/bin/sh -c '${lab.note("start")}; ${beat}'`,
      `ExecStop=/bin/sh -c '${stop}'`,
      "TimeoutStopSec=3",
    ],
    xFleet: ["Exclusive=true"],
  });
}

/** Starts the unit; resolves with the machine it came to. */
async function startUnit(): Promise<ClusterMachine> {
  await lab.start({ [UNIT]: exclusiveText() });
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

/** By the unit's own notes: it ran on one machine at a time, and whenever it went, its ExecStop had completed. */
function expectOneAtATime(): void {
  let at: string | undefined;
  for (const { machine, what, atMs } of lab.events()) {
    if (what === "start") {
      expect(at, `it starts on ${machine} at ${atMs}`).toBeUndefined();
      at = machine;
    } else {
      expect(at, `"${what}" on ${machine} at ${atMs}`).toBe(machine);
      if (what === "stopped") at = undefined;
    }
  }
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

describe.each(lossesOfFleetd)("an exclusive unit on a machine that is cut off, %s", (_what, lose, regain) => {
  it("ends there before it starts elsewhere, and stays where it is then", async () => {
    const machine = await startUnit();
    const cutAtMs = Date.now();
    machine.cutOffFromEtcd();
    await lose(machine);
    await untilNoted(machine.name, "stopped");
    const [stopping] = eventsOf(machine.name, "stopping");
    expect((stopping?.atMs ?? 0) - cutAtMs).toBeLessThan(AGENT_TTL_MS);

    const elsewhere = (): ServiceEvent | undefined =>
      lab.events().find((event) => event.machine !== machine.name && event.what === "start");
    await lab.cluster.waitFor({
      what: "the unit to start elsewhere",
      probe: async () => elsewhere(),
      until: (event) => event !== undefined,
      timeoutMs: 2 * AGENT_TTL_MS + STOP_BOUND_MS + MARGIN_MS + SLACK_MS,
    });
    const { machine: home, atMs } = elsewhere() ?? expect.fail("it did not start elsewhere");
    expect(atMs - cutAtMs).toBeGreaterThan(AGENT_TTL_MS + STOP_BOUND_MS + MARGIN_MS);

    machine.heal();
    await regain(machine);
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
    expectOneAtATime();
    expect(eventsOf(machine.name, "start", "stopping", "stopped").map(({ what }) => what)).toEqual([
      "start",
      "stopping",
      "stopped",
    ]);
  });

  it("starts there again when it is back after three times the TTL", async () => {
    const machine = await startUnit();
    machine.cutOffFromEtcd();
    await lose(machine);
    await sleep(3 * AGENT_TTL_MS);
    machine.heal();
    await regain(machine);
    await untilNoted(machine.name, "start", 2);
    await lab.untilActive([`${UNIT} ${machine.name}`]);
    expectOneAtATime();
    expect(lab.events().every((event) => event.machine === machine.name)).toBe(true);
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
