import { parseUnitFile } from "@fleet/core";
import { Registry, type RememberedCluster } from "@fleet/registry";
import { silentLogger } from "@fleet/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EtcdClient } from "../simulation/etcd-client.ts";
import { seededRandom } from "../simulation/seeded-random.ts";
import { SimulatedCluster, user } from "../simulation/simulated-cluster.ts";
import { prefix, type SimulatedMachine } from "../simulation/simulated-machine.ts";

/** As the simulated machines have it. */
const ttlMs = 5_000;
const stopMs = 8_000;
/** ExecStop, then what is left after SIGTERM, TimeoutStopSec each. */
const boundMs = 2 * stopMs;
const marginMs = 1_000;
const unit = "only.service";
/** Its stop takes longer than the lease. */
const exclusive =
  "[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=8\nExecStop=/bin/sleep 7\n[X-Fleet]\nExclusive=true\n";

let cluster: SimulatedCluster;
let operator: Registry;

beforeEach(async () => {
  cluster = new SimulatedCluster(5, [{}, {}, {}]);
  await cluster.start();
  operator = await operatorOf(cluster);
  cluster.clock.onSettled = () => {
    if (homes().length > 1) throw new Error(`${unit} runs on ${homes().map(({ id }) => id.slice(0, 4))}`);
  };
});
afterEach(() => {
  cluster.clock.onSettled = () => {};
  cluster.close();
});

/** A fleetd's registry that is asked for the seeding; on none of the machines, so that none has to be well for it. */
async function operatorOf({ etcd, clock }: SimulatedCluster): Promise<Registry> {
  const random = seededRandom(7);
  let remembered: RememberedCluster | undefined;
  const registry = new Registry({
    store: new EtcdClient(etcd, user, clock, random, true),
    prefix,
    memory: {
      load: async () => remembered,
      save: async (identity) => {
        remembered = identity;
      },
    },
    clock,
    random,
    logger: silentLogger,
  });
  await registry.guard.open(new AbortController().signal);
  return registry;
}

function homes(): readonly SimulatedMachine[] {
  return cluster.machines.filter(({ systemd }) => systemd.running().includes(unit));
}

async function launched(): Promise<SimulatedMachine> {
  await cluster.ask(unit, "launched", exclusive);
  await cluster.clock.advanceUntil(() => homes().length === 1, 5_000);
  await cluster.clock.advance(1_000);
  return homes()[0] ?? expect.fail("it runs nowhere");
}

function life({ systemd }: SimulatedMachine): readonly string[] {
  const telling = ["started", "stopped", "start-cancelled", "failed", "lost", "finished"];
  return systemd.history
    .filter((event) => event.unit === unit && telling.includes(event.kind))
    .map(({ kind }) => kind);
}

/** Everything below the prefix is gone. */
function wipe(): void {
  cluster.etcd.truth.txn({ compares: [], success: [{ op: "delete", from: prefix, to: "/fleet0" }] });
}

async function begin(): Promise<void> {
  const outcome = await operator.reseeding.begin(undefined, new AbortController().signal);
  expect(outcome.outcome).toBe("begun");
}

async function untilTold(machines: readonly SimulatedMachine[]): Promise<void> {
  const told = (): boolean =>
    machines.every(({ id }) => cluster.rows("contributions/").some(({ key }) => key.endsWith(id)));
  await cluster.clock.advanceUntil(told, 60_000);
}

async function submit(): Promise<void> {
  const file = parseUnitFile(exclusive);
  if (!file.ok) throw new Error("the unit cannot be read");
  await operator.intents.put({ name: unit, target: "launched", options: file.value });
}

test("it stops with the registration, and starts again once when all machines have told", async () => {
  const machine = await launched();
  wipe();
  await cluster.clock.advance(3 * ttlMs);
  await begin();
  await untilTold(cluster.machines);
  await operator.reseeding.finish();
  await cluster.clock.advance(10 * ttlMs);
  expect(homes()).toHaveLength(1);
  expect(life(machine).slice(0, 2)).toEqual(["started", "stopped"]);
  expect(cluster.machines.flatMap(life).filter((kind) => kind === "started")).toHaveLength(2);
});

test("its machine is waited for as before when it is cut off after the seeding", async () => {
  let machine = await launched();
  wipe();
  await begin();
  await untilTold(cluster.machines);
  await operator.reseeding.finish();
  await cluster.clock.advanceUntil(() => homes().length === 0, 2 * ttlMs);
  await cluster.clock.advanceUntil(() => homes().length === 1, 60_000);
  machine = homes()[0] ?? machine;
  machine.cutOff();
  const atMs = cluster.clock.monotonic();
  await cluster.clock.advanceUntil(() => homes().some((home) => home !== machine), 120_000, 20);
  expect(cluster.clock.monotonic() - atMs).toBeGreaterThan(ttlMs + boundMs + marginMs);
});

test("submitted again while the machine that was cut off may still run it, it waits", async () => {
  const machine = await launched();
  machine.cutOff();
  wipe();
  await begin();
  await untilTold(cluster.machines.filter((each) => each !== machine));
  await operator.reseeding.finish();
  await submit();
  await cluster.clock.advanceUntil(() => homes().some((home) => home !== machine), 120_000, 20);
  machine.heal();
  await cluster.clock.advance(10 * ttlMs);
  expect(homes()).toHaveLength(1);
});

test.each([
  ["fleetd", () => {}],
  ["systemd's timer", (machine: SimulatedMachine) => machine.kill()],
])("where it was stopped by %s it does not start because that machine tells first", async (_by, fault) => {
  const former = await launched();
  former.cutOff();
  fault(former);
  await cluster.clock.advanceUntil(() => homes().some((home) => home !== former), 120_000, 20);
  for (const machine of cluster.machines) if (machine !== former) machine.cutOff();
  wipe();
  former.heal();
  former.start();
  await begin();
  await untilTold([former]);
  await cluster.clock.advance(200);
  for (const machine of cluster.machines) machine.heal();
  await untilTold(cluster.machines);
  await operator.reseeding.finish();
  await cluster.clock.advance(10 * ttlMs);
  expect(homes()).toHaveLength(1);
});
