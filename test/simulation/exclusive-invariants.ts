import type { FakeSystemdEvent } from "@fleet/systemd";
import { isExclusive } from "./scenery.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { agentTtlMs, prefix, type SimulatedMachine } from "./simulated-machine.ts";

/** In these states nothing of a unit runs. */
const ended: ReadonlySet<string> = new Set(["inactive", "failed"]);

interface Run {
  /** When systemd was asked for it. */
  readonly askedAtMs: number;
  readonly isOurs: boolean;
}

/**
 * What `Exclusive=true` promises: the unit runs on one machine at most.
 *
 * Two kinds of run do not count, both documented limits. Into one its machine stood still as a whole, or between the moment
 * systemd was asked for it and its beginning: no clock of the machine went on, and nothing on it could act in time. The other began while another store was in the cluster's place: a machine
 * that has seen nothing since takes a store that was rolled back for its own, and that has lost who runs what.
 */
export class ExclusiveInvariants {
  readonly #cluster: SimulatedCluster;
  /** Unit → machine → when systemd was last asked to start it. */
  readonly #asked = new Map<string, Map<SimulatedMachine, number>>();
  /** Unit → machines on which it runs, when that was asked for, and whether the cluster's own store was there then. */
  readonly #runs = new Map<string, Map<SimulatedMachine, Run>>();
  readonly #dirty = new Set<string>();
  #started = 0;
  #fences = 0;
  #overdue = 0;
  #violation: string | undefined;

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
    cluster.etcd.onChange(({ events, caller }) => {
      for (const event of events) {
        const key = event.type === "put" ? event.row.key : event.key;
        const [kind, machineId = "", unit = ""] = key.slice(prefix.length).split("/");
        if (kind === "machines" && event.type === "delete" && caller === undefined) {
          this.#leaseHasEnded(machineId);
        }
        const isNew = event.type === "put" && event.row.createRevision === event.row.modRevision;
        if (kind === "assignments" && isNew && isExclusive(unit)) this.#isPlacedAnew(unit, machineId);
      }
    });
  }

  /** How often units were started, fences went off, and leases ended under a unit that had been running. */
  seen(): readonly (readonly [what: string, times: number])[] {
    return [
      ["exclusive unit started", this.#started],
      ["fence gone off", this.#fences],
      ["lease ended under an exclusive unit", this.#overdue],
    ];
  }

  /** To be told of each thing that happens on a machine, before `check`. */
  follow(machine: SimulatedMachine, { kind, unit }: FakeSystemdEvent): void {
    if (kind === "fenced") this.#fences += 1;
    if (kind === "rebooted") for (const each of this.#runs.keys()) this.#dirty.add(each);
    if (!isExclusive(unit)) return;
    this.#dirty.add(unit);
    if (kind === "started") this.#started += 1;
    if (kind !== "start-queued" && kind !== "restart-queued") return;
    const asked = this.#asked.get(unit) ?? new Map<SimulatedMachine, number>();
    this.#asked.set(unit, asked.set(machine, this.#cluster.clock.monotonic()));
  }

  /** To be called after everything that happens. */
  check(): void {
    for (const unit of this.#dirty) this.#runsOnOneMachine(unit);
    this.#dirty.clear();
    if (this.#violation !== undefined) throw new Error(this.#violation);
  }

  #runsOnOneMachine(unit: string): void {
    const counting = this.#countingRuns(unit);
    if (counting.length > 1) {
      this.#violation ??= `${unit} is exclusive and runs on ${counting.map(({ id }) => id).join(" and ")}`;
    }
  }

  /** Where the unit runs, as far as that counts. */
  #countingRuns(unit: string): readonly SimulatedMachine[] {
    const runs = this.#runs.get(unit) ?? new Map<SimulatedMachine, Run>();
    this.#runs.set(unit, runs);
    const { clock, etcd } = this.#cluster;
    const nowMs = clock.monotonic();
    for (const machine of this.#cluster.machines) {
      if (ended.has(machine.systemd.status(unit).active)) runs.delete(machine);
      else if (!runs.has(machine)) {
        const askedAtMs = this.#asked.get(unit)?.get(machine) ?? nowMs;
        runs.set(machine, { askedAtMs, isOurs: etcd.elsewhereAtMs < nowMs });
        // What systemd starts again by itself begins when it begins.
        this.#asked.get(unit)?.delete(machine);
      }
    }
    return [...runs].flatMap(([machine, { askedAtMs, isOurs }]) =>
      isOurs && machine.stoodStillAtMs < askedAtMs ? [machine] : [],
    );
  }

  /**
   * systemd itself has stopped them by now, whatever has become of fleetd: only their stops may be under way still. Not where
   * systemd is slow: a start that was sent in time may come after the fence, and is what the engine's margin is for.
   */
  #leaseHasEnded(machineId: string): void {
    const machine = this.#cluster.machines.find(({ id }) => id === machineId);
    // What another store has acknowledged says nothing about this one's leases.
    const { clock, etcd } = this.#cluster;
    if (machine === undefined || machine.hasSlowSystemd) return;
    if (etcd.elsewhereAtMs > clock.monotonic() - agentTtlMs) return;
    for (const unit of this.#runs.keys()) {
      if (!this.#countingRuns(unit).includes(machine)) continue;
      this.#overdue += 1;
      if (machine.systemd.status(unit).active === "deactivating") continue;
      this.#violation ??= `${unit} is exclusive and runs on ${machineId}, whose lease has ended`;
    }
  }

  #isPlacedAnew(unit: string, machineId: string): void {
    const other = this.#countingRuns(unit).find(({ id }) => id !== machineId);
    if (other === undefined) return;
    this.#violation ??= `${unit} is exclusive and is assigned to ${machineId} while it runs on ${other.id}`;
  }
}
