import { eligibility, parseUnitFile, type Requirements, requirementsOf, unitHash } from "@fleet/core";
import type { FakeSystemdEvent } from "@fleet/systemd";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";

/** What becomes of units, other than that somebody asks for something. */
const jobs: ReadonlySet<FakeSystemdEvent["kind"]> = new Set([
  "started",
  "finished",
  "failed",
  "stopped",
  "start-cancelled",
  "lost",
]);

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
    isNotLeftStopped(machine, unit, target);
    const status = machine.systemd.status(unit);
    if (status.active !== active) {
      throw new Error(`${unit} on ${machine.id} is ${status.active}, its row says ${active}`);
    }
  }
}

/** A unit that is to run may have finished or failed by itself: what has been stopped is started again. */
function isNotLeftStopped(machine: SimulatedMachine, unit: string, target: string): void {
  if (target !== "launched" || machine.systemd.status(unit).active !== "inactive") return;
  const last = machine.systemd.history.findLast((event) => event.unit === unit && jobs.has(event.kind));
  if (last?.kind !== "finished") {
    throw new Error(`${unit} is to run on ${machine.id} and does not: last it was ${last?.kind}`);
  }
}

function same(what: string, actual: readonly string[], expected: readonly string[]): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}
