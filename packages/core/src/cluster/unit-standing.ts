import type { Requirements } from "../unit/requirements.ts";
import { conflictBetween, replacesUnit } from "./eligibility.ts";
import type { Unit } from "./records.ts";

/** A unit about which decisions can be made: its requirements can be read. */
export interface ReadableUnit extends Unit {
  readonly requirements: Requirements;
}

/**
 * The unit as planning takes it. Global with MachineOf or Replaces is refused by the API; should such a unit be
 * in the registry all the same, Global wins: otherwise it would push units from every machine in turn.
 */
export function readable(unit: Unit): ReadableUnit | undefined {
  if (unit.requirements === undefined) return undefined;
  const requirements = unit.requirements.global
    ? withoutExclusive({ ...unit.requirements, machineOf: [], replaces: [] })
    : unit.requirements;
  return { ...unit, requirements };
}

function withoutExclusive({ exclusive, ...requirements }: Requirements): Requirements {
  return requirements;
}

export function isExacting(unit: ReadableUnit): boolean {
  return unit.requirements.conflicts.length > 0 || unit.requirements.replaces.length > 0;
}

/** Whether a unit may have been kept off a machine by an occupant of that name (and requirements, if known). */
export function mayBeHelpedBy(
  waiting: ReadableUnit,
  name: string,
  occupant: ReadableUnit | undefined,
): boolean {
  const gone = { name, requirements: occupant?.requirements };
  return conflictBetween(waiting, gone) !== undefined || replacesUnit(gone, waiting) !== undefined;
}
