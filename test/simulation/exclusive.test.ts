import { expect, test } from "vitest";
import { RunLog } from "./run-log.ts";
import { pick, seededRandom } from "./seeded-random.ts";
import { SimulatedClock } from "./simulated-clock.ts";
import { SimulatedCluster } from "./simulated-cluster.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";

const { EXCLUSIVE_SEEDS: seeds = "40" } = process.env;

const steps = 120;
const sleeper = "[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=4\n";
/** Their stops take from nothing to all of the time that they are given. */
const contents: readonly string[] = [
  sleeper,
  `${sleeper}ExecStop=/bin/sleep 1\n`,
  `${sleeper}ExecStop=/bin/sleep 4\n`,
  `${sleeper}ExecStartPre=/bin/sleep 3\n`,
];
const units = ["only-1.service", "only-2.service", "only-3.service", "only-on-disk.service"];

function textOf(unit: string, content: string): string {
  return `${content}[X-Fleet]\nExclusive=true\n${unit.includes("disk") ? "MachineMetadata=disk=ssd\n" : ""}`;
}

/** What may happen to a machine: everything that does not stop the whole of it, which no fence can outlive. */
const faults: readonly (readonly [name: string, fault: (machine: SimulatedMachine) => unknown])[] = [
  ["cut off", (machine) => machine.cutOff()],
  ["cut off and killed", (machine) => [machine.cutOff(), machine.kill()]],
  ["cut off and stopped", (machine) => [machine.cutOff(), machine.stopProcess()]],
  ["killed", (machine) => machine.kill()],
  ["stopped", (machine) => machine.stopProcess()],
  ["leaves", (machine) => machine.leave()],
  ["rebooted", (machine) => machine.reboot()],
  ["loses replies", (machine) => machine.loseReplies(0.3)],
  ["delays writes", (machine) => machine.delayWrites(0.2)],
];

function recover(machine: SimulatedMachine): void {
  machine.heal();
  machine.loseReplies(0);
  machine.delayWrites(0);
  machine.resume();
  machine.start();
}

function expectNowhereTwice(cluster: SimulatedCluster): void {
  const homes = new Map<string, string>();
  for (const { id, systemd } of cluster.machines) {
    for (const unit of systemd.running()) {
      const other = homes.get(unit);
      if (other !== undefined) throw new Error(`${unit} runs on ${other} and on ${id}`);
      homes.set(unit, id);
    }
  }
}

/** How often a unit was started, and fences went off. */
async function live(seed: number): Promise<{ readonly started: number; readonly fenced: number }> {
  const random = seededRandom(seed);
  const clock = new SimulatedClock();
  const log = new RunLog(clock);
  const metadata = [{ disk: "ssd" }, { disk: "hdd" }, { disk: "ssd" }, {}];
  const cluster = new SimulatedCluster(seed, metadata, { clock, logger: log.logger() });
  const trace: string[] = [];
  const note = (line: string): void => {
    trace.push(`${(cluster.clock.monotonic() / 1000).toFixed(2)} s ${line}`);
  };
  try {
    await cluster.start();
    cluster.clock.onSettled = () => expectNowhereTwice(cluster);
    for (const unit of units) await cluster.ask(unit, "launched", textOf(unit, pick(random, contents)));
    for (let step = 0; step < steps; step += 1) {
      const choice = random();
      const machine = pick(random, cluster.machines);
      const unit = pick(random, units);
      if (choice < 0.3) {
        const [name, fault] = pick(random, faults);
        fault(machine);
        note(`${machine.id.slice(0, 4)} ${name}`);
      } else if (choice < 0.6) {
        recover(machine);
        note(`${machine.id.slice(0, 4)} is well`);
      } else if (choice < 0.65) {
        await cluster.destroy(unit);
        note(`${unit} destroyed`);
      } else if (choice < 0.75) {
        const known = cluster.acknowledged.has(unit) && random() < 0.5;
        await cluster.ask(unit, "launched", known ? undefined : textOf(unit, pick(random, contents)));
        note(`${unit} launched`);
      } else if (choice < 0.8 && cluster.acknowledged.has(unit)) {
        await cluster.ask(unit, pick(random, ["loaded", "inactive"] as const));
        note(`${unit} stopped`);
      }
      await cluster.clock.advance(random() * random() * 12_000);
    }
    for (const machine of cluster.machines) recover(machine);
    for (const unit of units) await cluster.ask(unit, "launched", textOf(unit, sleeper));
    note("all is well");
    const everywhere = (): readonly string[] =>
      cluster.machines.flatMap(({ systemd }) => systemd.running()).sort();
    await cluster.clock.advanceUntil(() => everywhere().join() === units.join(), 120_000, 100);
    const history = cluster.machines.flatMap(({ systemd }) => systemd.history);
    const count = (kind: string): number => history.filter((event) => event.kind === kind).length;
    return { started: count("started"), fenced: count("fenced") };
  } catch (cause) {
    const lives = cluster.machines.flatMap(({ id, systemd }) =>
      systemd.history
        .slice(-12)
        .map(
          ({ at, kind, unit }) => `${id.slice(0, 4)} ${(at / 1000).toFixed(2)} s of its own: ${kind} ${unit}`,
        ),
    );
    const told = [`seed ${seed}: ${String(cause)}`, ...trace.slice(-30), ...lives, ...log.lines.slice(-60)];
    throw new Error(told.join("\n"), { cause });
  } finally {
    cluster.clock.onSettled = () => {};
    cluster.close();
  }
}

test(`an exclusive unit never runs on two machines, ${seeds} seeds`, async () => {
  const totals = { started: 0, fenced: 0 };
  for (let seed = 1; seed <= Number(seeds); seed += 1) {
    const { started, fenced } = await live(seed);
    totals.started += started;
    totals.fenced += fenced;
  }
  // Units that never start, and fences that never go off, prove nothing.
  expect(totals.started).toBeGreaterThan(10 * Number(seeds));
  expect(totals.fenced).toBeGreaterThan(Number(seeds));
});
