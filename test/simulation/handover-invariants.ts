import type { SimulatedCluster } from "./simulated-cluster.ts";
import { prefix, type SimulatedMachine } from "./simulated-machine.ts";

/** A change of leaders included that does not have to wait for a lease, and the audit of nobody. */
const handOverMs = 1000;

/**
 * What leaving in order promises where nothing fails: each unit may run elsewhere as soon as its own stop has ended,
 * however long those of others take.
 */
export class HandoverInvariants {
  readonly #cluster: SimulatedCluster;
  /** `machine id/unit` that is unloaded and still assigned → since when that has been so. */
  readonly #kept = new Map<string, number>();
  /** What machines that leave still have to hand over. */
  readonly #toGo = new Set<string>();
  #handedOver = 0;

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
  }

  seen(): readonly (readonly [what: string, times: number])[] {
    return [["unit handed over in time", this.#handedOver]];
  }

  /** To be called now and then. */
  check(): void {
    const leaving = this.#cluster.machines.filter(({ leavingSinceMs }) => leavingSinceMs !== undefined);
    if (leaving.length === 0) {
      this.#handedOver += this.#toGo.size;
      this.#toGo.clear();
      this.#kept.clear();
      return;
    }
    const nowMs = this.#cluster.clock.monotonic();
    const assigned = new Set(this.#cluster.assignments());
    for (const key of this.#toGo) {
      if (assigned.has(key)) continue;
      this.#toGo.delete(key);
      this.#handedOver += 1;
    }
    const led = this.#cluster.etcd.truth.range({ from: `${prefix}leader` }).rows.length > 0;
    for (const machine of leaving) this.#note(machine, assigned, nowMs);
    for (const [key, sinceMs] of this.#kept) {
      if (!assigned.has(key)) this.#kept.delete(key);
      else if (!led) this.#kept.set(key, nowMs);
      else if (nowMs - sinceMs > handOverMs) {
        throw new Error(`${key} has ended on a machine that leaves, and is not handed over`);
      }
    }
  }

  #note(machine: SimulatedMachine, assigned: ReadonlySet<string>, nowMs: number): void {
    const files = new Set(machine.systemd.files());
    for (const key of assigned) {
      const [machineId, unit = ""] = key.split("/");
      if (machineId !== machine.id) continue;
      this.#toGo.add(key);
      if (files.has(unit) || this.#kept.has(key)) continue;
      this.#kept.set(key, nowMs);
    }
  }
}
