import type { Rescheduling } from "./rescheduling.ts";

/**
 * What a unit asks of the machine it runs on: its [X-Fleet] options, old spellings folded in, quotes and
 * specifiers resolved for the unit's name.
 */
export interface Requirements {
  /** MachineID: only the machine with this id (full, or its first 8 characters). */
  readonly machineId: string | undefined;
  /** MachineOf: units that must all be placed on the same machine. In order of appearance, without repeats. */
  readonly machineOf: readonly string[];
  /** MachineMetadata: every key must match one of its values. */
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  /** Conflicts: globs on names of units that may not share the machine. */
  readonly conflicts: readonly string[];
  /** Replaces: globs on names of units that are to leave the machine. */
  readonly replaces: readonly string[];
  /** Global: run on every able machine. */
  readonly global: boolean;
  /** Exclusive: at most one instance at any moment; absent for other units. */
  readonly exclusive?: Exclusiveness;
  /** RescheduleOnFailure: moved to another machine when it fails; absent for other units. */
  readonly reschedule?: Rescheduling;
}

export interface Exclusiveness {
  /** How long stopping the unit may take, in milliseconds: see `stopBound`. */
  readonly stopMs: number;
}
