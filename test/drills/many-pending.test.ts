import { readFileSync } from "node:fs";
import type { ClusterMachine } from "@fleet/lab";
import { expect, it } from "vitest";
import { parseExposition, sampleValue } from "../contract/metrics/exposition-format.ts";
import { serviceText, useLabCluster } from "../e2e/lab-cluster.ts";
import { UnitPuts } from "./unit-puts.ts";

const UNITS = 10_000;
const CLIENTS = 16;

// On a busy host; an idle one takes a fraction of each.
const LISTED_WITHIN_MS = 10_000;
const STARTED_WITHIN_MS = 10_000;
const STARTED_BY_NEW_LEADER_WITHIN_MS = 30_000;
const MEMORY_MIB = 250;

// The machines' daemons are killed on the way: the tests share one cluster, in their order.
const lab = useLabCluster({ restore: false });

const puts = new UnitPuts(CLIENTS);

const options = [
  { section: "Service", name: "ExecStart", value: "/bin/sleep infinity" },
  { section: "X-Fleet", name: "MachineMetadata", value: "none=such" },
];

/** Of the fleetd that has grown largest. */
function residentMiB(): number {
  const sizes = lab.machines.flatMap(({ fleetdPid }) => {
    if (fleetdPid === undefined) return [];
    return [
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${fleetdPid}/status`, "utf8"))?.[1]) / 1024,
    ];
  });
  return Math.max(...sizes);
}

/** Milliseconds that `fleetctl` took for a list of so many lines. */
async function listed(verb: string, atLeast: number): Promise<number> {
  const { stdout, ms } = await lab.fleetctlOk(verb, "--no-legend");
  expect(stdout.split("\n").length).toBeGreaterThan(atLeast);
  return ms;
}

/** Milliseconds until an ordinary unit ran, by its own `fleetctl start`. */
async function started(unit: string): Promise<number> {
  const startedMs = performance.now();
  await lab.start({ [unit]: serviceText() });
  return performance.now() - startedMs;
}

async function unplaced(machine: ClusterMachine): Promise<number> {
  const { text } = await machine.request({ path: "/metrics" });
  return sampleValue(parseExposition(text), "fleet_engine_units_unplaced") ?? 0;
}

it("10 000 units that no machine can run are launched, and others are served and started meanwhile", async () => {
  const before = residentMiB();
  const machine = lab.machine("m1");
  let next = 0;
  const client = async (): Promise<void> => {
    for (let number = next++; number < UNITS; number = next++) {
      const body = { desiredState: "launched", options };
      expect(await puts.put(machine, `pending-${number}.service`, body)).toBe(201);
    }
  };
  let over = false;
  const launching = Promise.all(Array.from({ length: CLIENTS }, client)).finally(() => {
    over = true;
  });
  const [listings, starts]: [number[], number[]] = [[], []];
  while (!over) {
    listings.push(await listed("list-unit-files", 0));
    starts.push(await started(`meanwhile-${starts.length}.service`));
  }
  await launching;
  console.info({ listings: Math.max(...listings), starts: Math.max(...starts), count: starts.length });
  expect(Math.max(...listings)).toBeLessThan(LISTED_WITHIN_MS);
  expect(Math.max(...starts)).toBeLessThan(STARTED_WITHIN_MS);

  const leader = await lab.leader();
  await lab.cluster.waitFor({
    what: "all of them to wait",
    probe: () => unplaced(leader),
    until: (count) => count === UNITS,
    timeoutMs: 30_000,
  });
  console.info({ before, after: residentMiB() });
  expect(residentMiB() - before).toBeLessThan(MEMORY_MIB);
}, 600_000);

it("they are listed, and keep nobody from starting others", async () => {
  const figures = {
    files: await listed("list-unit-files", UNITS),
    units: await listed("list-units", 0),
    machines: await listed("list-machines", 3),
    started: await started("after.service"),
  };
  console.info(figures);
  expect(Math.max(figures.files, figures.units, figures.machines)).toBeLessThan(LISTED_WITHIN_MS);
  expect(figures.started).toBeLessThan(STARTED_WITHIN_MS);
});

it("what fleetd says of itself names every one, and does not keep it from answering", async () => {
  const leader = await lab.leader();
  leader.signalFleetd("SIGUSR1");
  const startedMs = performance.now();
  expect((await leader.request({ path: "/fleet/v1/machines" })).status).toBe(200);
  console.info({ answeredAfter: performance.now() - startedMs });
  expect(performance.now() - startedMs).toBeLessThan(LISTED_WITHIN_MS);
  await lab.cluster.waitFor({
    what: "the last of them to be named in the log",
    probe: async () => readFileSync(leader.fleetdLog, "utf8").match(/"pending-\d+\.service"/g) ?? [],
    until: (named) => new Set(named).size === UNITS,
    timeoutMs: 30_000,
  });
});

it("a new leader takes them over, and starts others", async () => {
  const leader = await lab.leader();
  await leader.killFleetd();
  await leader.startFleetd();
  const ms = await started("afterwards.service");
  console.info({ startedByNewLeader: ms });
  expect(ms).toBeLessThan(STARTED_BY_NEW_LEADER_WITHIN_MS);
  const successor = await lab.leader();
  await lab.cluster.waitFor({
    what: "all of them to wait for the new leader",
    probe: () => unplaced(successor),
    until: (count) => count === UNITS,
    timeoutMs: 30_000,
  });
});
