import { matchGlob } from "../unit/glob.ts";
import type { Requirements } from "../unit/requirements.ts";

/** A unit looking for a machine. */
export interface Candidate {
  readonly name: string;
  readonly requirements: Requirements;
}

/** A unit that is on a machine. */
export interface Occupant {
  readonly name: string;
  /** Undefined when its unit file cannot be read: only its name is known. */
  readonly requirements: Requirements | undefined;
  /** True: no longer assigned, only still being unloaded. It conflicts, but nothing can follow it. */
  readonly held?: boolean;
}

/** Why a machine cannot take a unit: the first reason in the order MachineID, metadata, MachineOf, Conflicts, Replaces. */
export type Ineligibility =
  | { readonly cause: "MachineID"; readonly required: string }
  | MetadataMismatch
  | { readonly cause: "MachineOf"; readonly peer: string }
  | { readonly cause: "Conflicts"; readonly unit: string; readonly conflict: Conflict }
  /** A unit on the machine replaces this one: the two are never side by side. */
  | { readonly cause: "Replaces"; readonly unit: string; readonly glob: string };

export interface MetadataMismatch {
  readonly cause: "MachineMetadata";
  readonly key: string;
  readonly accepted: readonly string[];
  /** What the machine has; undefined when it lacks the key. */
  readonly actual: string | undefined;
}

/** Which of two units keeps the other away, and by which glob. */
export interface Conflict {
  readonly declaredBy: string;
  readonly glob: string;
}

export type Eligibility =
  | { readonly verdict: "able" }
  /** Able, and these units (sorted) leave the machine for it. */
  | { readonly verdict: "replaces"; readonly units: readonly string[] }
  | { readonly verdict: "unable"; readonly reason: Ineligibility };

/**
 * May this unit run on this machine, next to these occupants? The one definition that the engine, "why is it
 * pending" and the tests share. The unit itself, if among the occupants, is never its own obstacle. The answer
 * does not depend on the order of the occupants.
 */
export function eligibility(
  unit: Candidate,
  machine: { readonly id: string; readonly metadata: ReadonlyMap<string, string> },
  occupants: Iterable<Occupant>,
): Eligibility {
  const { requirements } = unit;
  if (requirements.machineId !== undefined && !matchesMachineId(requirements.machineId, machine.id)) {
    return unable({ cause: "MachineID", required: requirements.machineId });
  }
  const mismatch = metadataMismatch(requirements, machine.metadata);
  if (mismatch !== undefined) return unable(mismatch);

  const others = [...occupants];
  const assigned = new Set(others.filter((occupant) => occupant.held !== true).map(({ name }) => name));
  const peer = requirements.machineOf.find((name) => !assigned.has(name));
  if (peer !== undefined) return unable({ cause: "MachineOf", peer });

  const obstacle = firstConflict(unit, others) ?? firstReplacer(unit, others);
  if (obstacle !== undefined) return unable(obstacle);

  const replaced = others.filter((other) => replacesUnit(unit, other) !== undefined);
  return replaced.length === 0
    ? { verdict: "able" }
    : { verdict: "replaces", units: replaced.map(({ name }) => name).sort() };
}

/** A machine is meant by its full id or by its first 8 characters. */
export function matchesMachineId(required: string, machineId: string): boolean {
  return required === machineId || required === machineId.slice(0, 8);
}

/** The first key, in the order of the unit file, for which the machine has none of the accepted values. */
export function metadataMismatch(
  requirements: Requirements,
  metadata: ReadonlyMap<string, string>,
): MetadataMismatch | undefined {
  for (const [key, accepted] of requirements.metadata) {
    const actual = metadata.get(key);
    if (actual === undefined || !accepted.includes(actual)) {
      return { cause: "MachineMetadata", key, accepted, actual };
    }
  }
  return undefined;
}

/** Why two units may not share a machine: it is enough that one of them says so. No unit conflicts with itself. */
export function conflictBetween(a: Occupant, b: Occupant): Conflict | undefined {
  return declaredConflict(a, b.name) ?? declaredConflict(b, a.name);
}

/** The conflict that the unit itself declares with one of this name. */
export function declaredConflict(declarer: Occupant, other: string): Conflict | undefined {
  if (declarer.name === other) return undefined;
  const glob = declarer.requirements?.conflicts.find((pattern) => matchGlob(pattern, other));
  return glob === undefined ? undefined : { declaredBy: declarer.name, glob };
}

/**
 * The glob by which `replacer` pushes `other` off its machine. Two units that replace each other would push each
 * other away for ever: such a pair is ignored.
 */
export function replacesUnit(replacer: Occupant, other: Occupant): string | undefined {
  if (replacer.name === other.name) return undefined;
  const glob = replacer.requirements?.replaces.find((pattern) => matchGlob(pattern, other.name));
  if (glob === undefined) return undefined;
  const mutual = other.requirements?.replaces.some((pattern) => matchGlob(pattern, replacer.name)) ?? false;
  return mutual ? undefined : glob;
}

/** Of several, the one with the lowest name: the answer must not depend on the order of the occupants. */
function firstConflict(unit: Candidate, occupants: readonly Occupant[]): Ineligibility | undefined {
  let first: (Ineligibility & { cause: "Conflicts" }) | undefined;
  for (const occupant of occupants) {
    if (first !== undefined && first.unit <= occupant.name) continue;
    const conflict = conflictBetween(unit, occupant);
    if (conflict !== undefined) first = { cause: "Conflicts", unit: occupant.name, conflict };
  }
  return first;
}

function firstReplacer(unit: Candidate, occupants: readonly Occupant[]): Ineligibility | undefined {
  let first: (Ineligibility & { cause: "Replaces" }) | undefined;
  for (const occupant of occupants) {
    if (first !== undefined && first.unit <= occupant.name) continue;
    const glob = replacesUnit(occupant, unit);
    if (glob !== undefined) first = { cause: "Replaces", unit: occupant.name, glob };
  }
  return first;
}

function unable(reason: Ineligibility): Eligibility {
  return { verdict: "unable", reason };
}
