import { expect, test } from "vitest";
import { SimulatedCluster } from "../simulation/simulated-cluster.ts";

const unit = "only.service";
const exclusive =
  "[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=4\nExecStop=/bin/sleep 2\n[X-Fleet]\nExclusive=true\n";

test("an exclusive unit that the fence stops in the middle of a restart starts again", async () => {
  const cluster = new SimulatedCluster(5, [{}, {}, {}]);
  await cluster.start();
  const homes = () => cluster.machines.filter(({ systemd }) => systemd.running().includes(unit));
  await cluster.ask(unit, "launched", exclusive);
  await cluster.clock.advanceUntil(() => homes().length === 1, 5_000);
  await cluster.clock.advance(1_000);
  const machine = homes()[0] ?? expect.fail("it runs nowhere");

  const first = machine.systemd.invocation(unit);
  const status = () => machine.systemd.status(unit).active;
  expect(await cluster.restart([unit], 1)).toBeDefined();
  await cluster.clock.advanceUntil(() => status() === "deactivating", 5_000);
  // systemd carries the restart out, and fleetd never hears of it.
  machine.loseSystemd("replies");
  const restarted = () => machine.systemd.invocation(unit) !== first && status() === "active";
  await cluster.clock.advanceUntil(restarted, 20_000);
  machine.kill();
  // Its ExecStop is under way: what fleetd finds is another invocation than the one that was to be replaced.
  await cluster.clock.advanceUntil(() => status() === "deactivating", 20_000);
  machine.start();

  const active = () => homes().some(({ systemd }) => systemd.status(unit).active === "active");
  await cluster.clock.advanceUntil(active, 40_000);
  cluster.close();
});
