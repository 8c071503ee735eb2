import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SmallCluster } from "./small-cluster.ts";

const ttlMs = 2_000;
const unit = "a.service";
const service = "[Service]\nExecStart=/bin/sleep infinity\n";
const files = [
  ["global", `${service}[X-Fleet]\nGlobal=true\n`],
  ["ordinary", `${service}[X-Fleet]\nMachineID=${"2".repeat(32)}\n`],
] as const;

let cluster: SmallCluster;

beforeEach(async () => {
  cluster = new SmallCluster(3, ttlMs);
  await cluster.start();
});

afterEach(() => cluster.close());

/** Makes the one record below the prefix unreadable; returns how to write it back. */
function corrupt(below: string): () => void {
  const [row] = cluster.etcd.range({ from: below, to: `${below.slice(0, -1)}0` }).rows;
  if (row === undefined) throw new Error(`there is nothing below ${below}`);
  const put = (value: string): void => {
    cluster.etcd.txn({ compares: [], success: [{ op: "put", key: row.key, value }] });
  };
  put("{garbage");
  return () => put(row.value);
}

const ends = ["stopped", "failed", "removed"];

describe.each(files)("a machine that was lost and comes back with a unit that is %s", (_, text) => {
  test.each(["units", "bodies"])("runs it on while the record in %s cannot be read", async (kind) => {
    const machine = cluster.machines[1] ?? expect.fail("there is no second machine");
    await cluster.launch(unit, text);
    await cluster.clock.advance(1_000);
    machine.cutOff();
    await cluster.clock.advanceUntil(() => !cluster.assignments().includes(`${unit} 2`), 20_000);
    const repair = corrupt(`/fleet/${kind}/`);
    machine.heal();
    await cluster.clock.advanceUntil(() => machine.settled, 20_000);
    await cluster.clock.advance(60_000);
    expect(machine.systemd.running()).toEqual([unit]);
    repair();
    await cluster.clock.advance(10_000);
    expect(cluster.assignments()).toContain(`${unit} 2`);
    const history = machine.systemd.history.filter((event) => ends.includes(event.kind));
    expect(history).toEqual([]);
  });

  test("stops it when it is destroyed", async () => {
    const machine = cluster.machines[1] ?? expect.fail("there is no second machine");
    await cluster.launch(unit, text);
    await cluster.clock.advance(1_000);
    machine.cutOff();
    await cluster.clock.advanceUntil(() => !cluster.assignments().includes(`${unit} 2`), 20_000);
    const repair = corrupt("/fleet/units/");
    machine.heal();
    await cluster.clock.advanceUntil(() => machine.settled, 20_000);
    repair();
    await cluster.user.intents.destroy(unit);
    await cluster.clock.advance(10_000);
    expect(cluster.machines.flatMap(({ systemd }) => systemd.files())).toEqual([]);
  });
});

test("a unit whose record cannot be read as its machine tells of it runs on once the seeding is finished", async () => {
  const machine = cluster.machines[1] ?? expect.fail("there is no second machine");
  await cluster.launch(unit, `${service}[X-Fleet]\nMachineID=${"2".repeat(32)}\n`);
  await cluster.clock.advanceUntil(() => machine.systemd.running().includes(unit), 20_000);
  const wipe = { op: "delete", from: "/fleet/", to: "/fleet0" } as const;
  cluster.etcd.txn({ compares: [], success: [wipe] });
  await cluster.clock.advance(10_000);
  const { reseeding } = cluster.user;
  const begun = await reseeding.begin(undefined, new AbortController().signal);
  expect(begun).toMatchObject({ outcome: "begun" });
  const garbage = { op: "put", key: `/fleet/units/${unit}`, value: "{garbage" } as const;
  cluster.etcd.txn({ compares: [], success: [garbage] });
  await cluster.clock.advance(30_000);
  const { contributions } = await reseeding.progress();
  expect(contributions.find(({ machineId }) => machineId === machine.id)).toMatchObject({
    left: [{ unit, reason: "unreadable" }],
  });
  await reseeding.finish();
  await cluster.clock.advanceUntil(() => cluster.machines.every(({ settled }) => settled), 60_000);
  await cluster.clock.advance(60_000);
  expect(machine.systemd.running()).toEqual([unit]);
  expect(machine.systemd.history.filter(({ kind }) => ends.includes(kind))).toEqual([]);
  await cluster.user.intents.destroy(unit);
  await cluster.clock.advance(10_000);
  expect(machine.systemd.files()).toEqual([]);
});
