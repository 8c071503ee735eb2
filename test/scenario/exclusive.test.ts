import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SimulatedCluster } from "../simulation/simulated-cluster.ts";
import type { SimulatedMachine } from "../simulation/simulated-machine.ts";

/** As the simulated machines have it. */
const ttlMs = 5_000;
const stopMs = 3_000;
/** ExecStop, then what is left after SIGTERM, TimeoutStopSec each. */
const boundMs = 2 * stopMs;
const marginMs = 1_000;
const unit = "only.service";
const service = "[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=3\nExecStop=/bin/sleep 2\n";
const exclusive = `${service}[X-Fleet]\nExclusive=true\n`;

let cluster: SimulatedCluster;

beforeEach(async () => {
  cluster = new SimulatedCluster(3, [{}, {}, {}]);
  await cluster.start();
});
afterEach(() => cluster.close());

/** Lets time pass and sees that the unit is nowhere twice, whatever it is doing there. */
async function watch(durationMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < durationMs; passedMs += 20) {
    await cluster.clock.advance(20);
    expect(homes().length).toBeLessThan(2);
  }
}

async function watchUntil(condition: () => boolean, limitMs: number): Promise<number> {
  const startMs = cluster.clock.monotonic();
  while (!condition()) {
    if (cluster.clock.monotonic() - startMs > limitMs) throw new Error(`does not hold after ${limitMs} ms`);
    await watch(20);
  }
  return cluster.clock.monotonic() - startMs;
}

function homes(): readonly SimulatedMachine[] {
  return cluster.machines.filter(({ systemd }) => systemd.running().includes(unit));
}

/** What has become of the unit there: starts, ends and goings-off of the fence. */
function life({ systemd }: SimulatedMachine): readonly string[] {
  const telling = ["started", "stopped", "start-cancelled", "failed", "lost", "finished"];
  return systemd.history
    .filter((event) => event.unit === unit && telling.includes(event.kind))
    .map(({ kind }) => kind);
}

/** Launches the unit; the machine it comes to, which does not lead unless asked for. */
async function launch(text = exclusive): Promise<SimulatedMachine> {
  await cluster.ask(unit, "launched", text);
  await watchUntil(() => homes().length === 1, 5_000);
  await watch(500);
  return homes()[0] ?? expect.fail("it runs nowhere");
}

function leader(): SimulatedMachine | undefined {
  const row = cluster.rows("").find(({ key }) => key === "leader");
  const id = row === undefined ? undefined : JSON.parse(row.value).machineId;
  return cluster.machines.find((machine) => machine.id === id);
}

const elsewhere = (machine: SimulatedMachine) => () => homes().some((home) => home !== machine);

describe("an exclusive unit of a machine that is cut off", () => {
  const faults: readonly (readonly [string, (machine: SimulatedMachine) => void])[] = [
    ["with fleetd alive", () => {}],
    ["with fleetd dead", (machine) => machine.kill()],
    ["with fleetd stopped", (machine) => machine.stopProcess()],
  ];

  test.each(
    faults.flatMap(([what, fault]) => [12_000, 90_000].map((awayMs) => [awayMs, what, fault] as const)),
  )(
    "is not started by a job that waited while its lease ended, and is when it is back after %i ms, %s",
    async (awayMs, _, fault) => {
      const machine = cluster.machines[2] ?? expect.fail("there is no third machine");
      const here = `[X-Fleet]\nMachineID=${machine.id}\n`;
      const slow = `[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n${here}`;
      await cluster.ask("slow.service", "launched", slow);
      await watchUntil(() => machine.systemd.running().includes("slow.service"), 5_000);
      await cluster.ask(unit, "launched", `[Unit]\nAfter=slow.service\n${service}${here}Exclusive=true\n`);
      await watchUntil(() => machine.systemd.status(unit).starting === true, 5_000);
      // The fence is set anew meanwhile, by what systemd says of the unit then.
      await watch(ttlMs);
      fault(machine);
      machine.cutOff();
      await watch(awayMs);
      expect(life(machine)).toEqual(["start-cancelled"]);
      machine.heal();
      machine.resume();
      machine.start();
      await watchUntil(() => homes().includes(machine), 90_000);
    },
  );

  test("is stopped by fleetd before systemd's timer is due", async () => {
    const machine = await launch();
    machine.cutOff();
    await watch(3 * ttlMs);
    const kinds = machine.systemd.history.map(({ kind }) => kind);
    expect(kinds).toContain("fenced");
    expect(kinds.indexOf("stop-queued")).toBeLessThan(kinds.indexOf("fenced"));
    expect(machine.report?.fenced).toEqual([unit]);
  });

  test.each(faults)(
    "has ended before its lease, and starts elsewhere after the wait: %s",
    async (_what, fault) => {
      const machine = await launch();
      machine.cutOff();
      fault(machine);
      const stoppedMs = await watchUntil(() => homes().length === 0, 3 * ttlMs);
      expect(stoppedMs).toBeLessThan(ttlMs + 2_000);
      const movedMs = await watchUntil(elsewhere(machine), 60_000);
      expect(stoppedMs + movedMs).toBeGreaterThan(0.6 * ttlMs + ttlMs + boundMs + marginMs);
      expect(life(machine)).toEqual(["started", "stopped"]);
      machine.heal();
      machine.resume();
      machine.start();
      await watch(4 * ttlMs);
      expect(homes()).toHaveLength(1);
      expect(life(machine)).toEqual(["started", "stopped"]);
    },
  );

  test.each(faults)("starts there again when it is back within the wait: %s", async (_what, fault) => {
    const machine = await launch();
    machine.cutOff();
    fault(machine);
    await watch(2.5 * ttlMs);
    expect(homes()).toEqual([]);
    machine.heal();
    machine.resume();
    machine.start();
    await watchUntil(() => homes().includes(machine), 2 * ttlMs);
    await watch(4 * ttlMs);
    expect(homes()).toEqual([machine]);
    expect(life(machine)).toEqual(["started", "stopped", "started"]);
  });
});

test("a keep-alive just in time leaves the unit alone", async () => {
  const machine = await launch();
  machine.cutOff();
  await watch(0.3 * ttlMs);
  machine.heal();
  await watch(3 * ttlMs);
  expect(life(machine)).toEqual(["started"]);
});

test("a restart of fleetd leaves the unit alone", async () => {
  const machine = await launch();
  machine.kill();
  await watch(0.3 * ttlMs);
  machine.start();
  await watch(3 * ttlMs);
  expect(life(machine)).toEqual(["started"]);
});

test("only exclusive units are fenced", async () => {
  const machine = await launch();
  for (let number = 1; number <= 6; number += 1) await cluster.ask(`u${number}.service`, "launched", service);
  await watch(1_000);
  const others = machine.systemd.running().filter((name) => name !== unit);
  expect(others.length).toBeGreaterThan(0);
  machine.cutOff();
  await watch(3 * ttlMs);
  expect(machine.systemd.running()).toEqual(others);
});

test("a new leader counts from its own first sight", async () => {
  const machine = await launch();
  machine.cutOff();
  await watchUntil(() => cluster.rows("machines/").length === 2, 3 * ttlMs);
  // All but the end of the wait has passed when its leader goes.
  await watch(boundMs + marginMs + 0.8 * ttlMs);
  const former = leader() ?? expect.fail("nobody leads");
  expect(former).not.toBe(machine);
  former.kill();
  const movedMs = await watchUntil(elsewhere(machine), 120_000);
  expect(movedMs).toBeGreaterThan(ttlMs + boundMs + marginMs);
});

test("a machine that leaves in order, and a unit that is moved, need no wait", async () => {
  const machine = await launch();
  machine.leave();
  // The stop itself takes two seconds.
  expect(await watchUntil(elsewhere(machine), 20_000)).toBeLessThan(4_000);
});

test("a oneshot that had ended is not run again", async () => {
  const oneshot =
    "[Service]\nType=oneshot\nExecStart=/bin/sleep 1\nTimeoutStopSec=3\n[X-Fleet]\nExclusive=true\n";
  const machine = await launch(oneshot);
  await watch(2 * ttlMs);
  expect(life(machine)).toEqual(["started", "finished"]);
  machine.cutOff();
  machine.stopProcess();
  await watch(2 * ttlMs);
  machine.heal();
  machine.resume();
  await watch(3 * ttlMs);
  expect(life(machine)).toEqual(["started", "finished"]);
});

test("destroyed and submitted again while it may still run, it waits all the same", async () => {
  const machine = await launch();
  machine.cutOff();
  await cluster.destroy(unit);
  await watch(0.2 * ttlMs);
  await cluster.ask(unit, "launched", exclusive);
  const movedMs = await watchUntil(elsewhere(machine), 60_000);
  expect(movedMs).toBeGreaterThan(ttlMs + boundMs + marginMs);
});
