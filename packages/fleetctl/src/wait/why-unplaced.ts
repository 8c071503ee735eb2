import type { ApiUnit, ApiUnitState, ClientMachine } from "@fleet/api/client";
import {
  type Eligibility,
  eligibility,
  type Ineligibility,
  type Occupant,
  requirementsOf,
} from "@fleet/core";
import { machineIdLegend } from "../output/machine-legend.ts";

/** Lines shown at most: which machine it is that runs each shard helps nobody where there are a hundred. */
const MAX_LINES = 5;

/** What the API shows of a cluster. */
export interface ClusterListing {
  readonly units: readonly ApiUnit[];
  readonly states: readonly ApiUnitState[];
  readonly machines: readonly ClientMachine[];
}

/**
 * What keeps a unit off the machines, in lines for people: machines with the same obstacle share a line. Judged
 * from outside: that a machine is leaving, say, does not show in the API.
 */
export function whyUnplaced(unit: ApiUnit, cluster: ClusterListing): readonly string[] {
  if (cluster.machines.length === 0) return ["No machine is in the cluster."];
  const requirements = requirementsOf(unit.name, unit.options);
  const occupants = occupantsByMachine(cluster);
  const machinesByReason = new Map<string, string[]>();
  for (const { id, metadata } of cluster.machines) {
    const machine = { id, metadata: new Map(Object.entries(metadata ?? {})) };
    const verdict = eligibility({ name: unit.name, requirements }, machine, occupants.get(id) ?? []);
    const reason = reasonOf(verdict);
    const machines = machinesByReason.get(reason);
    if (machines === undefined) machinesByReason.set(reason, [id]);
    else machines.push(id);
  }
  const lines = [...machinesByReason].map(([reason, machines]) => `${legendOf(machines)}: ${reason}`);
  if (lines.length <= MAX_LINES) return lines;
  const rest = [...machinesByReason.values()].slice(MAX_LINES - 1).flat().length;
  return [...lines.slice(0, MAX_LINES - 1), `${rest} more machines: for reasons like these`];
}

/** Placed units, and what machines report: global units show there alone. */
function occupantsByMachine({ units, states }: ClusterListing): ReadonlyMap<string, readonly Occupant[]> {
  const known = new Map(units.map(({ name, options }) => [name, requirementsOf(name, options)]));
  const names = new Map<string, Set<string>>();
  const add = (machineId: string, name: string): void => {
    names.set(machineId, (names.get(machineId) ?? new Set()).add(name));
  };
  for (const { name, machineID } of units) if (machineID !== undefined) add(machineID, name);
  for (const { name, machineID } of states) add(machineID, name);
  const occupantOf = (name: string): Occupant => ({ name, requirements: known.get(name) });
  return new Map([...names].map(([machineId, present]) => [machineId, [...present].map(occupantOf)]));
}

function legendOf(machineIds: readonly string[]): string {
  const [first = "", ...others] = machineIds;
  return others.length === 0 ? machineIdLegend(first, false) : `${machineIds.length} machines`;
}

function reasonOf(verdict: Eligibility): string {
  switch (verdict.verdict) {
    case "able":
      return "nothing speaks against it, but no engine has placed it there yet";
    case "replaces":
      return `it would replace ${verdict.units.join(", ")}, which must be able to run elsewhere`;
    case "unable":
      return describe(verdict.reason);
  }
}

function describe(reason: Ineligibility): string {
  switch (reason.cause) {
    case "MachineID":
      return `MachineID=${reason.required} is another one`;
    case "MachineMetadata": {
      const wanted = reason.accepted.map((value) => `${reason.key}=${value}`).join(" or ");
      const actual = reason.actual === undefined ? `no ${reason.key}` : `${reason.key}=${reason.actual}`;
      return `MachineMetadata=${wanted}, and there is ${actual}`;
    }
    case "MachineOf":
      return `MachineOf=${reason.peer}, which is not there`;
    case "Conflicts": {
      const { declaredBy, glob } = reason.conflict;
      return declaredBy === reason.unit
        ? `Conflicts=${glob} of ${reason.unit}, which is there`
        : `Conflicts=${glob}, and ${reason.unit} is there`;
    }
    case "Replaces":
      return `Replaces=${reason.glob} of ${reason.unit}, which is there`;
  }
}
