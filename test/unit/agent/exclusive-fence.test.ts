import { StoreError } from "@fleet/registry";
import { silentLogger } from "@fleet/runtime";
import { FakeSystemd, FakeUnitManager } from "@fleet/systemd";
import { expect, test } from "vitest";
import { ExclusiveFence } from "../../../packages/agent/src/exclusive-fence.ts";
import type { Registration } from "../../../packages/agent/src/ports.ts";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";

const unit = "only.service";
const unused = (): never => expect.fail("a fence does not ask for this");

/** Its lease ends when told, and is renewed when told. */
class HeldRegistration implements Registration {
  readonly number = 1;
  readonly lost = new AbortController().signal;
  leaseDeadlineMs = 4_500;
  renewed: () => void = () => {};
  renew: () => Promise<void> = async () => {};
  onRenewed(listener: () => void): void {
    this.renewed = listener;
  }
  publish = unused;
  published = unused;
  confirmAbsent = unused;
  contribution = unused;
  leaving = unused;
  leave = unused;
}

/** A fence around one loaded exclusive unit. */
function fencing(): {
  readonly clock: SimulatedClock;
  readonly systemd: FakeSystemd;
  readonly fence: ExclusiveFence;
  readonly end: () => Promise<void>;
} {
  const clock = new SimulatedClock();
  const systemd = new FakeSystemd(clock);
  systemd.write(unit, "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n");
  const over = new AbortController();
  const manager = new FakeUnitManager(systemd);
  const connection = manager.run(over.signal);
  // That it is launched is written down once its start has been answered.
  const entry = {
    unit,
    hash: "0",
    generation: 0,
    launched: false,
    phase: "loaded",
    exclusive: true,
  } as const;
  const fence = new ExclusiveFence({
    machineId: "1".repeat(32),
    ttlMs: 5_000,
    manager,
    journal: new Map([[unit, entry]]),
    clock,
    logger: silentLogger,
    fencedUnits: { add: () => {} },
    onChange: () => {},
  });
  const end = (): Promise<void> => {
    over.abort();
    return connection;
  };
  return { clock, systemd, fence, end };
}

test("a unit is not started on a lease that the machine's clock holds for alive and etcd does not", async () => {
  const { systemd, fence, end } = fencing();
  const registration = new HeldRegistration();
  await fence.begin(registration);
  // The machine stood still as a whole: none of its clocks has moved, and etcd has ended the lease.
  registration.renew = async () => {
    throw new StoreError("etcd_lease_not_found", "gone");
  };
  const started = fence.start(unit, registration, async () => systemd.start(unit));
  await expect(started).rejects.toMatchObject({ code: "etcd_lease_not_found" });
  expect(systemd.running()).toEqual([]);
  await end();
});

test("a unit that was admitted under an earlier registration is not started under the next", async () => {
  const { systemd, fence, end } = fencing();
  const [earlier, next] = [new HeldRegistration(), new HeldRegistration()];
  await fence.begin(earlier);
  await fence.begin(next);
  const start = async (): Promise<void> => systemd.start(unit);
  await expect(fence.start(unit, earlier, start)).rejects.toMatchObject({ code: "lease_not_held" });
  // Nor when the next one begins while the earlier is being confirmed.
  next.renew = async () => await fence.begin(earlier);
  await expect(fence.start(unit, next, start)).rejects.toMatchObject({ code: "lease_not_held" });
  expect(systemd.running()).toEqual([]);
  await end();
});

test("a unit that systemd's timer stops while its start is under way is looked after", async () => {
  const { clock, systemd, fence, end } = fencing();
  const registration = new HeldRegistration();
  await fence.begin(registration);
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const started = fence.start(unit, registration, () => {
    systemd.start(unit);
    return answered;
  });

  await clock.advance(5_000);
  expect(systemd.status(unit).active).toBe("inactive");
  registration.leaseDeadlineMs = 9_500;
  registration.renewed();
  await clock.advance(100);
  answer();
  await started;

  expect([...fence.fired]).toEqual([unit]);
  await end();
});
