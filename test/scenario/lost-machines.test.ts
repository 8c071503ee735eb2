import { afterEach, describe, expect, test } from "vitest";
import { SmallCluster, type SmallMachine } from "./small-cluster.ts";

const ttlMs = 2_000;
const service = "[Service]\nExecStart=/bin/sleep infinity\n";

let cluster: SmallCluster;

afterEach(() => cluster.close());

async function bringUp(machines: number): Promise<void> {
  cluster = new SmallCluster(machines, ttlMs);
  await cluster.start();
}

/** A machine whose engine does not lead. */
function follower(): SmallMachine {
  const machine = cluster.machines.find(({ engine }) => engine.status().term === undefined);
  return machine ?? expect.fail("every engine leads");
}

function unitsOf({ id }: SmallMachine): readonly string[] {
  const number = id.slice(0, 1);
  return cluster.assignments().flatMap((line) => {
    const [unit = "", machine] = line.split(" ");
    return machine === number ? [unit] : [];
  });
}

describe("24 losses of one machine in two minutes", () => {
  const losses = 24;
  const pinned = "pinned.service";
  const everywhere = "everywhere.service";

  test("move what was there once, and what came after the first two; nothing comes any more then", async () => {
    await bringUp(3);
    const flapping = follower();
    await cluster.launch(pinned, `${service}[X-Fleet]\nMachineID=${flapping.id}\n`);
    await cluster.launch(everywhere, `${service}[X-Fleet]\nGlobal=true\n`);
    const base = Array.from({ length: 9 }, (_, index) => `base${index}.service`);
    for (const name of base) await cluster.launch(name, service);
    await cluster.clock.advance(1_000);
    const there = unitsOf(flapping).filter((unit) => base.includes(unit)).length;
    expect(there).toBeGreaterThan(1);

    const begunMs = cluster.clock.monotonic();
    let movedOff = 0;
    const placed: number[] = [];
    for (let loss = 1; loss <= losses; loss += 1) {
      const before = unitsOf(flapping).filter((unit) => unit !== pinned && unit !== everywhere);
      flapping.cutOff();
      await cluster.clock.advanceUntil(() => !cluster.present(flapping), 2 * ttlMs);
      await cluster.clock.advanceUntil(() => unitsOf(flapping).length === 0, 1_000);
      movedOff += before.length;
      flapping.heal();
      await cluster.clock.advanceUntil(
        () => unitsOf(flapping).includes(pinned) && unitsOf(flapping).includes(everywhere),
        2 * ttlMs,
      );
      // One new unit each time: the machine that has just come back has the fewest units.
      await cluster.launch(`new${loss}.service`, service);
      await cluster.clock.advance(100);
      placed.push(unitsOf(flapping).filter((unit) => unit.startsWith("new")).length);
    }
    expect(cluster.clock.monotonic() - begunMs).toBeLessThanOrEqual(120_000);
    expect(placed).toEqual([1, 1, ...Array.from({ length: losses - 2 }, () => 0)]);
    expect(movedOff).toBe(there + 2);
    // 32 minutes after the last loss at most, it counts like any other.
    expect(cluster.leader()?.losses?.unsteady).toEqual([
      { machine: flapping.id, forMs: expect.closeTo(32 * 60_000, -4) },
    ]);
    await cluster.clock.advance(32 * 60_000);
    await cluster.launch("late.service", service);
    await cluster.clock.advance(100);
    expect(unitsOf(flapping)).toContain("late.service");
  });
});

describe("four of six machines", () => {
  async function cutFour(): Promise<readonly SmallMachine[]> {
    await bringUp(6);
    for (let index = 0; index < 12; index += 1) await cluster.launch(`u${index}.service`, service);
    // At a moment that has nothing to do with when they renew their leases, each at its own time.
    await cluster.clock.advance(7_777);
    const lost = cluster.machines.filter(({ engine }) => engine.status().term === undefined).slice(0, 4);
    for (const machine of lost) machine.cutOff();
    return lost;
  }

  test("that vanish together are all held from the first on, though they vanish one by one", async () => {
    const before = await cutFour().then((lost) => lost.map(unitsOf));
    await cluster.clock.advance(20 * ttlMs);
    const lost = cluster.machines.filter((machine) => !cluster.present(machine));
    expect(lost).toHaveLength(4);
    expect(lost.map(unitsOf)).toEqual(before);
    expect(before.flat()).toHaveLength(8);
    expect(cluster.leader()?.losses?.held).toMatchObject({ vanished: 4, of: 6 });
    expect(await cluster.user.losses.read()).toMatchObject({ machines: lost.map(({ id }) => id) });
  });

  test("keep what is theirs when they come back, and are given up when that is confirmed", async () => {
    const lost = await cutFour();
    const [first, ...others] = lost;
    if (first === undefined) expect.fail("nothing was lost");
    await cluster.clock.advance(10 * ttlMs);
    const mine = unitsOf(first);
    const runs = mine.map((unit) => first.systemd.invocation(unit));
    first.heal();
    await cluster.clock.advance(5 * ttlMs);
    expect(unitsOf(first)).toEqual(mine);
    expect(mine.map((unit) => first.systemd.invocation(unit))).toEqual(runs);
    const ids = others.map(({ id }) => id);
    expect(await cluster.user.losses.confirm()).toEqual(ids);
    const tookMs = await cluster.clock.advanceUntil(() => others.flatMap(unitsOf).length === 0, ttlMs);
    expect(tookMs).toBeLessThan(1_000);
    expect(cluster.assignments()).toHaveLength(12);
    await cluster.clock.advance(ttlMs);
    expect(await cluster.user.losses.read()).toBeUndefined();
    expect(cluster.etcd.range({ from: "/fleet/losses/", to: "/fleet/losses0" }).rows).toEqual([]);
  });
});
