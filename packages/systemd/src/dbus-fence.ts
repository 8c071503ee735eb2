import type { Clock } from "@fleet/runtime";
import { DbusRefusal } from "./dbus-connection.ts";
import type { SystemdSession, TransientProperty } from "./systemd-session.ts";
import type { Fence } from "./unit-manager.ts";

/** A reload of systemd that is under way at the very moment loses what is due just then: it is told again. */
const repeatAfterUs = 1_000_000;
const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";
const runningVariable = "FLEET_RUNNING=";

/**
 * Fences as transient timers of systemd, which need no fleetd to go off. Each timer starts a service that conflicts with
 * the units: starting it stops them, without any program having to run for that, and also those that refuse to be
 * stopped by hand. The service stays, as the trace of what it has stopped, until that has been noted.
 *
 * Invariant: the earlier fences of a name are taken away only after systemd has accepted the new one.
 */
export class DbusFence {
  /** What makes a moment of the clock one of CLOCK_MONOTONIC, which systemd counts by. */
  readonly #offsetMs: number;

  constructor(clock: Clock) {
    // In this order: a pause in between makes fences go off early, never late.
    const systemMs = Number(process.hrtime.bigint()) / 1e6;
    this.#offsetMs = systemMs - clock.monotonic();
  }

  /** See UnitManager.fence. */
  async set(
    session: SystemdSession,
    name: string,
    fence: Fence | undefined,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const prefix = `fleet-fence-${name}-`;
    const present = fence === undefined ? undefined : await this.#arm(session, prefix, fence);
    const timers = await session.listLike([`${prefix}*.timer`]);
    const earlier = timers.filter((timer) => timer.name !== present);
    await Promise.all(earlier.map((timer) => stopped(session, timer.name, signal)));
    const fired: string[] = [];
    for (const service of await session.listLike([`${prefix}*.service`])) {
      if (service.active === "inactive" || service.name === present?.replace(/timer$/, "service")) continue;
      const environment = await session.environment(service.path);
      const running = environment.find((variable) => variable.startsWith(runningVariable)) ?? "";
      const stoppedUnits = running.slice(runningVariable.length).split(" ").filter(Boolean);
      const open = stoppedUnits.filter((unit) => fence?.noted.includes(unit) !== true);
      fired.push(...open);
      // Who is killed before it has noted that is told again when it is back.
      if (fence === undefined || open.length === 0) await stopped(session, service.name, signal);
    }
    return [...new Set(fired)].sort();
  }

  async #arm(session: SystemdSession, prefix: string, fence: Fence): Promise<string> {
    const atUs = Math.floor((fence.atMs + this.#offsetMs) * 1000);
    const startedUs = await session.startedAtUs();
    const afterUs = BigInt(Math.max(1, atUs - startedUs));
    const base = `${prefix}${atUs}-${fence.number}`;
    const description = "fleet: stops exclusive units before the lease of this machine ends";
    const common: readonly TransientProperty[] = [
      ["Description", ["s", description]],
      ["DefaultDependencies", ["b", false]],
      ["CollectMode", ["s", "inactive-or-failed"]],
    ];
    await session.startTransient(
      `${base}.timer`,
      [
        ...common,
        [
          "TimersMonotonic",
          [
            "a(st)",
            [
              ["OnStartupSec", afterUs],
              ["OnStartupSec", afterUs + BigInt(repeatAfterUs)],
            ],
          ],
        ],
        ["AccuracyUSec", ["t", 1_000n]],
      ],
      [
        [
          `${base}.service`,
          [
            ...common,
            ["Type", ["s", "oneshot"]],
            ["RemainAfterExit", ["b", true]],
            ["Conflicts", ["as", fence.stop]],
            ["Environment", ["as", [`${runningVariable}${fence.running.join(" ")}`]]],
            ["ExecStart", ["a(sasb)", [["/bin/sh", ["sh", "-c", ":"], false]]]],
          ],
        ],
      ],
    );
    return `${base}.timer`;
  }
}

async function stopped(session: SystemdSession, name: string, signal: AbortSignal): Promise<void> {
  try {
    await session.stop(name, signal);
  } catch (error) {
    // It has ended by itself and was forgotten.
    if (!(error instanceof DbusRefusal) || error.errorName !== noSuchUnit) throw error;
  }
}
