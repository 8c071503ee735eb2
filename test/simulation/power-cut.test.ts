import { expect, test } from "vitest";
import { SimulatedCluster } from "./simulated-cluster.ts";

const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";

test("after a power cut of everything each machine gets its own units back, whoever is up first", async () => {
  const cluster = new SimulatedCluster(1, [{}, {}, {}]);
  await cluster.start();
  for (let unit = 1; unit <= 6; unit += 1) await cluster.ask(`u${unit}.service`, "launched", sleeper);
  await cluster.clock.advance(2000);
  const before = cluster.assignments();
  expect(before).toHaveLength(6);

  for (const machine of cluster.machines) machine.reboot();
  await cluster.clock.advance(60_000);
  for (const machine of cluster.machines) {
    machine.start();
    await cluster.clock.advance(1500);
  }
  await cluster.clock.advance(5000);

  expect(cluster.assignments()).toEqual(before);
  for (const machine of cluster.machines) expect(machine.systemd.running()).toHaveLength(2);
  cluster.close();
});

test("a machine that does not come back after it loses its units once its time is over", async () => {
  const cluster = new SimulatedCluster(1, [{}, {}, {}]);
  await cluster.start();
  for (let unit = 1; unit <= 6; unit += 1) await cluster.ask(`u${unit}.service`, "launched", sleeper);
  await cluster.clock.advance(2000);

  for (const machine of cluster.machines) machine.reboot();
  await cluster.clock.advance(60_000);
  const [first, second, third] = cluster.machines;
  first?.start();
  second?.start();
  await cluster.clock.advance(10_000);

  expect([first, second, third].map((machine) => machine?.systemd.running().length)).toEqual([3, 3, 0]);
  cluster.close();
});
