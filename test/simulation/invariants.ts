import { eligibility, parseUnitFile, type Requirements, requirementsOf, unitHash } from "@fleet/core";
import type { FakeSystemdEvent } from "@fleet/systemd";
import { RegistryInvariants } from "./registry-invariants.ts";
import { RestartInvariants } from "./restart-invariants.ts";
import { contents, isGlobal, requirements, unitFile } from "./scenery.ts";
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
}

/** What an agent acts on may be this old: watches deliver late, answers take their time. */
const hearsayMs = 2500;

const plainFiles: ReadonlyMap<string, string> = new Map(
  requirements.map(([unit, xFleet]) => [unit, unitFile(contents[0] ?? "", xFleet)]),
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
  /** Revision of the store at moments of the recent past, the oldest first. */
  readonly #recent: { readonly atMs: number; readonly revision: number }[] = [];

  /** `calm`: no fault is injected in this run, so not even a lost machine may explain a double run. */
  constructor(cluster: SimulatedCluster, calm: boolean) {
    this.#cluster = cluster;
    this.#calm = calm;
    this.#restarts = new RestartInvariants(cluster, calm);
    this.#registry = new RegistryInvariants(cluster, plainFiles);
  }

  /** See RestartInvariants. */
  checkRestartsEnded(): void {
    this.#restarts.checkEnded();
  }

  /** To be called after everything that happens. */
  check(): void {
    this.#registry.check();
    if (this.#cluster.etcd.runaway) throw new Error("some fleetd asks etcd without end");
    for (const machine of this.#cluster.machines) {
      if (machine.runaway) throw new Error(`the agent of ${machine.id} turns round without end`);
      this.#eventsAreInOrder(machine);
    }
    this.#restarts.check();
  }

  /** To be called now and then: what does not come and go between two moments. */
  checkThoroughly(): void {
    this.check();
    const { revision } = this.#cluster.etcd.truth;
    if (revision !== this.#recent.at(-1)?.revision) this.#eachUnitIsAssignedOnce();
    if (this.#calm) this.#nothingRunsTwice();
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

  #follow(machine: SimulatedMachine, { kind, unit }: FakeSystemdEvent): void {
    const key = `${machine.id}/${unit}`;
    const run = this.#runs.get(key) ?? { running: false, stopping: false, since: 0, leaves: 0 };
    this.#runs.set(key, run);
    if (kind === "written" || kind === "start-queued") {
      run.since = this.#recent[0]?.revision ?? 0;
      run.leaves = machine.leaves;
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
    // No machine here ever stops fitting a global unit: only what was asked for can be a reason.
    const order = isGlobal(unit)
      ? this.#order("units/", unit)
      : this.#order("assignments/", `${machine.id}/${unit}`);
    if (order === undefined || order.modRevision > run.since) return true;
    return order.target !== "launched" || order.hash !== hashOf(machine.systemd.read(unit));
  }

  /** What was last said that could be read; undefined: that the unit is to go. */
  #order(below: string, key: string): Order | undefined {
    const row = this.#cluster.rows(below).find((other) => other.key === key);
    if (row === undefined) return undefined;
    const before = this.#cluster.corrupted.get(`${prefix}${below}${key}`);
    const { target, hash } = JSON.parse(before ?? row.value);
    // Making it unreadable was no order.
    return { target, hash, modRevision: before === undefined ? row.modRevision : 0 };
  }
}

interface Order {
  readonly target: string;
  readonly hash: string;
  readonly modRevision: number;
}

function hashOf(text: string | undefined): string | undefined {
  const file = text === undefined ? undefined : parseUnitFile(text);
  return file?.ok === true ? unitHash(file.value) : undefined;
}

interface PlacedUnit {
  readonly name: string;
  readonly requirements: Requirements;
}

/** What must hold once faults have ended and the cluster has come to rest. */
export function checkConverged(cluster: SimulatedCluster): void {
  intentIsKept(cluster);
  placementIsRight(cluster);
  for (const machine of cluster.machines) machineFollows(cluster, machine);
}

function intentIsKept(cluster: SimulatedCluster): void {
  const stored = cluster.rows("units/").map(({ key, value }) => {
    const { hash, target } = JSON.parse(value);
    return `${key} ${target} ${hash}`;
  });
  const promised = [...cluster.acknowledged].map(([unit, { target, text }]) => {
    const file = parseUnitFile(text);
    return `${unit} ${target} ${file.ok ? unitHash(file.value) : "unreadable"}`;
  });
  same("acknowledged intent", stored.sort(), promised.sort());
}

function placementIsRight(cluster: SimulatedCluster): void {
  const units = new Map<string, Requirements>();
  for (const [unit, { text, target }] of cluster.acknowledged) {
    const file = parseUnitFile(text);
    if (file.ok && target !== "inactive") units.set(unit, requirementsOf(unit, file.value));
  }
  const placed = new Map<string, PlacedUnit[]>(cluster.machines.map((machine) => [machine.id, []]));
  for (const key of cluster.assignments()) {
    const [machineId = "", name = ""] = key.split("/");
    const requirements = units.get(name);
    if (requirements === undefined)
      throw new Error(`${name} is assigned to ${machineId} without being asked for`);
    placed.get(machineId)?.push({ name, requirements });
  }
  for (const [name, requirements] of units) {
    const homes = [...placed].filter(([, there]) => there.some((other) => other.name === name));
    for (const { id, metadata } of cluster.machinesWithMetadata()) {
      const there = placed.get(id) ?? [];
      const isHome = homes.some(([home]) => home === id);
      const others = there.filter((other) => other.name !== name);
      const verdict = eligibility({ name, requirements }, { id, metadata }, others);
      if (isHome && verdict.verdict === "unable") {
        throw new Error(`${name} is assigned to ${id}, where it cannot run: ${JSON.stringify(verdict)}`);
      }
      const wanted = homes.length === 0 || requirements.global;
      if (!isHome && wanted && verdict.verdict === "able") {
        throw new Error(`${name} is not assigned although ${id} could run it`);
      }
    }
  }
}

function machineFollows(cluster: SimulatedCluster, machine: SimulatedMachine): void {
  const assignments = cluster.rows("assignments/").filter(({ key }) => key.startsWith(`${machine.id}/`));
  const units = assignments.map(({ key }) => key.slice(33)).filter((unit) => unit !== "@settled");
  same(`files on ${machine.id}`, machine.systemd.files(), units);
  const rows = cluster.rows("states/").filter(({ key }) => key.startsWith(`${machine.id}/`));
  same(
    `state rows of ${machine.id}`,
    rows.map(({ key }) => key.slice(33)),
    units,
  );
  for (const { key, value } of assignments) {
    const unit = key.slice(33);
    if (unit === "@settled") continue;
    const row = rows.find((other) => other.key === key);
    const { target } = JSON.parse(value);
    const { launched, active } = JSON.parse(row?.value ?? "{}");
    if (launched !== (target === "launched")) {
      throw new Error(`${unit} on ${machine.id} is to be ${target}, its row says launched=${launched}`);
    }
    const status = machine.systemd.status(unit);
    if (status.active !== active) {
      throw new Error(`${unit} on ${machine.id} is ${status.active}, its row says ${active}`);
    }
  }
}

function same(what: string, actual: readonly string[], expected: readonly string[]): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}
