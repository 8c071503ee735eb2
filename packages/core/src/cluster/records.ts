import type { Requirements } from "../unit/requirements.ts";

/**
 * - `inactive`: known, not placed
 * - `loaded`: placed on a machine and loaded into its systemd, not started
 * - `launched`: loaded, and start was asked of systemd
 */
export type TargetState = "inactive" | "loaded" | "launched";

/** A machine whose agent is registered (its lease is alive). */
export interface Machine {
  /** `/etc/machine-id`: 32 hexadecimal digits. */
  readonly id: string;
  /** Address to show and to ssh to; empty when unknown. */
  readonly publicIp: string;
  /** Configured metadata overlaid with what was set through the API. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Create revision of the registration: another number is another registration. */
  readonly registration: number;
  /** The agent is unloading its units in order to leave: nothing may be placed here any more. */
  readonly leaving: boolean;
  /** It was lost again and again: units that can run elsewhere are placed elsewhere. What is here stays. */
  readonly unsteady?: boolean;
}

/** A submitted unit. */
export interface Unit {
  readonly name: string;
  /** Hash of its unit file, 40 hexadecimal digits. */
  readonly hash: string;
  readonly target: TargetState;
  /**
   * Intent generation: grows with every change of target or content, never repeats for a name. An agent acts
   * once on each generation.
   */
  readonly generation: number;
  /**
   * The generation that this one only asks to try again: a machine that has carried that one out, or a later one, starts
   * the unit only if it has failed there. Absent when something else was asked for.
   */
  readonly retryOf?: number;
  /** Revision of the last change: what was changed last yields to what was there before. */
  readonly changedAt: number;
  /** Undefined when the unit file cannot be read: nothing is decided about such a unit. */
  readonly requirements: Requirements | undefined;
}

/** The engine's order to one machine: run this unit. */
export interface Assignment {
  readonly machineId: string;
  readonly unit: string;
  readonly hash: string;
  readonly target: "loaded" | "launched";
  readonly generation: number;
  /** See `Unit.retryOf`. */
  readonly retryOf?: number;
  /** Units of this machine that must be gone before this one may be loaded there (Replaces). */
  readonly awaits: readonly string[];
  /** Number of the restart that is under way for the unit here; absent while none is. */
  readonly restart?: number;
  /** `Reschedule.order` of the last move that was known when the unit was given to this machine. */
  readonly rescheduled?: number;
}

/** What an assignment orders of its unit on its machine. */
export type Order = Omit<Assignment, "machineId" | "unit">;

/** The order alone, of what may have more. */
export function orderAlone(of: Order): Order {
  const { hash, target, generation, retryOf, awaits, restart, rescheduled } = of;
  return {
    hash,
    target,
    generation,
    ...(retryOf === undefined ? {} : { retryOf }),
    awaits,
    ...(restart === undefined ? {} : { restart }),
    ...(rescheduled === undefined ? {} : { rescheduled }),
  };
}

/**
 * The one machine that may be running an exclusive unit. It outlives the assignment: as long as it is there the unit
 * is given to no other machine.
 */
export interface ExclusiveHold {
  readonly machineId: string;
  /** Registration of the machine under which it was given the unit; it never had it before that. */
  readonly registration: number;
  /** How long stopping the unit there may take, in milliseconds. */
  readonly stopMs: number;
}

/** Beyond what clocks of machines that are in order drift apart while an exclusive unit is waited for. */
const exclusiveMarginMs = 1_000;

/** How long at most a machine that is silent is waited for before it counts as running the unit no more. */
export function exclusiveWaitMs(stopMs: number, agentTtlMs: number): number {
  return agentTtlMs + stopMs + exclusiveMarginMs;
}

/** In an ExclusiveHold: which machine may be running the unit is not known. No machine has this id. */
export const unknownMachine = "unknown";

/** What an agent publishes about one unit on its machine. */
export interface UnitState {
  readonly machineId: string;
  readonly unit: string;
  /** Hash of the unit file loaded there. */
  readonly hash: string;
  /** systemd's LoadState, e.g. `loaded`. */
  readonly load: string;
  /** systemd's ActiveState, e.g. `active`. */
  readonly active: string;
  /** systemd's SubState, e.g. `running`. */
  readonly sub: string;
  /** The agent has asked systemd to start the unit, and not to stop it since. */
  readonly launched: boolean;
}

/**
 * Units that a machine keeps although they are not assigned to it, sorted: nobody can read what is wanted of them. `all`: they
 * are too many to be named.
 */
export type Spared = readonly string[] | "all";

/** What the engine tells a machine: this registration is taken into account, and what is not assigned is to go. */
export interface Settled {
  readonly registration: number;
  /** None unless given. */
  readonly spared?: Spared;
}

/** The part of an assignment that only repeats what is wanted of the unit. */
export function orderOf(
  { hash, generation, retryOf }: Unit,
  target: Assignment["target"],
): Pick<Assignment, "hash" | "target" | "generation" | "retryOf"> {
  return { hash, target, generation, ...(retryOf === undefined ? {} : { retryOf }) };
}
