import { parseUnitFile, unitHash } from "@fleet/core";
import type { FakeSystemdEvent } from "@fleet/systemd";
import { ExclusiveInvariants } from "./exclusive-invariants.ts";
import { HandoverInvariants } from "./handover-invariants.ts";
import { OrderHistory } from "./order-history.ts";
import { RegistryInvariants, requirementsIn } from "./registry-invariants.ts";
import { RescheduleInvariants } from "./reschedule-invariants.ts";
import { RestartInvariants } from "./restart-invariants.ts";
import { contentsFor, isExclusive, isGlobal, requirements, unitFile } from "./scenery.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { prefix, type SimulatedMachine } from "./simulated-machine.ts";

interface UnitRun {
  running: boolean;
  /** A stop with a reason has been seen since the unit was last started. */
  stopping: boolean;
  /** Revision of the store when the unit was last written or started. */
  since: number;
  /** How often fleetd had been told to leave by then. */
  leaves: number;
  /** A store that was rolled back stood in for the cluster's own then: what it ordered is in no history. */
  ofBackup: boolean;
}

/** What an agent acts on may be this old: watches deliver late, answers take their time. */
const hearsayMs = 2500;

const plainFiles: ReadonlyMap<string, string> = new Map(
  requirements.map(([unit, xFleet]) => [unit, unitFile(contentsFor(unit)[0] ?? "", xFleet)]),
);

const ends: ReadonlySet<FakeSystemdEvent["kind"]> = new Set([
  "stopped",
  "finished",
  "failed",
  "start-cancelled",
  "lost",
]);

/** What must hold at every moment, checked against the store and what the systemds did. */
export class Invariants {
  readonly #cluster: SimulatedCluster;
  readonly #calm: boolean;
  readonly #seen = new Map<string, number>();
  readonly #runs = new Map<string, UnitRun>();
  readonly #restarts: RestartInvariants;
  readonly #registry: RegistryInvariants;
  readonly #exclusive: ExclusiveInvariants;
  readonly #reschedules: RescheduleInvariants;
  readonly #handover: HandoverInvariants;
  readonly #orders: OrderHistory;
  /** Revision of the store at moments of the recent past, the oldest first. */
  readonly #recent: { readonly atMs: number; readonly revision: number }[] = [];

  /** `calm`: no fault is injected in this run, so not even a lost machine may explain a double run. */
  constructor(cluster: SimulatedCluster, calm: boolean) {
    this.#cluster = cluster;
    this.#calm = calm;
    this.#restarts = new RestartInvariants(cluster, calm);
    this.#registry = new RegistryInvariants(cluster, plainFiles);
    this.#exclusive = new ExclusiveInvariants(cluster);
    this.#handover = new HandoverInvariants(cluster);
    this.#orders = new OrderHistory(cluster);
    const limits = [...plainFiles].flatMap(([unit, text]) => {
      const { reschedule } = requirementsIn(unit, text);
      return reschedule === undefined ? [] : [[unit, reschedule] as const];
    });
    this.#reschedules = new RescheduleInvariants(cluster, new Map(limits));
  }

  /** Once faults have ended and the cluster has come to rest. */
  checkEnded(): void {
    this.#restarts.checkEnded();
    this.#registry.checkEnded();
  }

  /** How often something came about without which a promise has not been tried. */
  seen(): readonly (readonly [what: string, times: number])[] {
    const all = [this.#exclusive, this.#reschedules, this.#handover];
    return all.flatMap((each) => each.seen()).filter(([, times]) => times > 0);
  }

  /** To be called after everything that happens. */
  check(): void {
    this.#registry.check();
    this.#reschedules.check();
    const { runaway, insists } = this.#cluster.etcd;
    if (runaway) throw new Error("some fleetd asks etcd without end");
    if (insists !== undefined) throw new Error(insists);
    for (const machine of this.#cluster.machines) {
      if (machine.runaway) throw new Error(`the agent of ${machine.id} turns round without end`);
      this.#eventsAreInOrder(machine);
    }
    this.#restarts.check();
    this.#exclusive.check();
  }

  /** To be called now and then: what does not come and go between two moments. */
  checkThoroughly(): void {
    this.check();
    const { revision } = this.#cluster.etcd.truth;
    if (revision !== this.#recent.at(-1)?.revision) this.#eachUnitIsAssignedOnce();
    if (this.#calm) {
      this.#nothingRunsTwice();
      this.#handover.check();
    }
    const { clock, etcd } = this.#cluster;
    this.#recent.push({ atMs: clock.monotonic(), revision: etcd.truth.revision });
    while ((this.#recent[0]?.atMs ?? 0) < clock.monotonic() - hearsayMs) this.#recent.shift();
  }

  #eachUnitIsAssignedOnce(): void {
    const machineOf = new Map<string, string>();
    for (const key of this.#cluster.assignments()) {
      const [machineId = "", unit = ""] = key.split("/");
      const other = machineOf.get(unit);
      if (other !== undefined && !isGlobal(unit)) {
        throw new Error(`${unit} is assigned to ${machineId} and to ${other}`);
      }
      machineOf.set(unit, machineId);
    }
  }

  #nothingRunsTwice(): void {
    const where = new Map<string, string>();
    for (const machine of this.#cluster.machines) {
      for (const unit of machine.systemd.running()) {
        const other = where.get(unit);
        if (other !== undefined && !isGlobal(unit)) {
          throw new Error(`${unit} runs on ${machine.id} and on ${other}`);
        }
        where.set(unit, machine.id);
      }
    }
  }

  #eventsAreInOrder(machine: SimulatedMachine): void {
    const { history } = machine.systemd;
    const from = this.#seen.get(machine.id) ?? 0;
    this.#seen.set(machine.id, history.length);
    for (const event of history.slice(from)) this.#follow(machine, event);
  }

  #follow(machine: SimulatedMachine, event: FakeSystemdEvent): void {
    this.#exclusive.follow(machine, event);
    const { kind, unit } = event;
    const key = `${machine.id}/${unit}`;
    const run = this.#runs.get(key) ?? {
      running: false,
      stopping: false,
      since: 0,
      leaves: 0,
      ofBackup: false,
    };
    this.#runs.set(key, run);
    if (kind === "written" || kind === "start-queued") {
      run.since = this.#recent[0]?.revision ?? 0;
      run.ofBackup = this.#cluster.etcd.serving !== this.#cluster.etcd.truth;
      // What was on its way when it was told to leave goes as well.
      run.leaves = machine.leaves - (machine.leavingSinceMs === undefined ? 0 : 1);
    }
    if (kind === "start-queued" && !this.#registry.hasBeenPublished(machine.id, unit)) {
      throw new Error(`${unit} was started on ${machine.id} before it had a row`);
    }
    if (kind === "started") {
      run.running = true;
      run.stopping = false;
    }
    if (ends.has(kind)) run.running = false;
    if (kind === "removed" && run.running) {
      throw new Error(`the file of ${unit} was removed on ${machine.id} before its stop had ended`);
    }
    if (kind === "stop-queued") {
      if (!run.stopping && !this.#mayStop(machine, unit, run)) {
        throw new Error(`${unit} was stopped on ${machine.id} although the registry gives no reason`);
      }
      run.stopping = true;
    }
  }

  #mayStop(machine: SimulatedMachine, unit: string, run: UnitRun): boolean {
    if (machine.report === undefined || machine.leaves > run.leaves) return true;
    if (this.#hasJustLeft(machine)) return true;
    if (this.#isUnknownToBackup(machine, unit)) return true;
    // When its lease is about to end is known on the machine alone; where nothing fails it never is.
    if (isExclusive(unit) && !this.#calm) return true;
    // No machine here ever stops fitting a global unit: only what was asked for can be a reason.
    const key = isGlobal(unit) ? `units/${unit}` : `assignments/${machine.id}/${unit}`;
    const isOrdered = this.#cluster.etcd.truth.range({ from: `${prefix}${key}` }).rows.length > 0;
    if (!isOrdered) return isGlobal(unit) || this.#registry.maySay(machine.id, unit, run.since);
    return this.#orders.hasReason(key, hashOf(machine.systemd.read(unit)), run);
  }

  /** The engine may hear of a leave, and withdraw what the machine has, when a new fleetd has started it all again. */
  #hasJustLeft({ lastLeaveMs = Number.NEGATIVE_INFINITY }: SimulatedMachine): boolean {
    return this.#cluster.clock.monotonic() - lastLeaveMs < hearsayMs;
  }

  /**
   * Fleetd notes revisions every few seconds only, and sees none while its way to etcd is cut: it may know of none that the store
   * that was rolled back has not reached by the time they meet, and takes that store for its own. One that does stops nothing. No
   * other store that takes the place of the cluster's own has its record.
   */
  #isUnknownToBackup(machine: SimulatedMachine, unit: string): boolean {
    const { serving, truth } = this.#cluster.etcd;
    if (!machine.mayTakeStoreForLatest) return false;
    const has = (key: string): boolean => serving.range({ from: `${prefix}${key}` }).rows.length > 0;
    return serving !== truth && has("leader") && has("cluster") && !has(`assignments/${machine.id}/${unit}`);
  }
}

function hashOf(text: string | undefined): string | undefined {
  const file = text === undefined ? undefined : parseUnitFile(text);
  return file?.ok === true ? unitHash(file.value) : undefined;
}
