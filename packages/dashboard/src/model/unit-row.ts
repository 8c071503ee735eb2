import type { ApiUnitState, UnitSummary } from "@fleet/api/contract";
import type { UnitMove } from "./moves.ts";

/** How a unit stands, in one word: intent, placement and what systemd says, taken together. */
export const phases = [
  "failed",
  "waiting",
  "moving",
  "starting",
  "stopping",
  "ended",
  "active",
  "loaded",
  "inactive",
] as const;
export type Phase = (typeof phases)[number];

export function isPhase(text: string): text is Phase {
  return phases.some((phase) => phase === text);
}

/** What a list shows of a unit. A row is replaced when anything of it changes, never altered. */
export interface UnitRow {
  readonly name: string;
  readonly phase: Phase;
  /** What systemd says, such as `active (running)`; of a global unit on how many machines it is active. */
  readonly detail: string;
  readonly desired: UnitSummary["desiredState"];
  readonly global: boolean;
  readonly description: string;
  /** The machine it is placed on; undefined for none, and for global units. */
  readonly machine: string | undefined;
  /** Machines that report it. */
  readonly reportedBy: readonly string[];
  /** Set while it is on its way from one machine to another, and for a while after. */
  readonly move: UnitMove | undefined;
  /** When it was last seen to change, in milliseconds since the epoch; 0: never. */
  readonly changedAt: number;
  /** Lower case, for the search. */
  readonly haystack: string;
}

/** What a row is made from. */
export interface UnitFacts {
  readonly unit: UnitSummary;
  readonly states: readonly ApiUnitState[];
  readonly move: UnitMove | undefined;
  readonly changedAt: number;
  readonly isPresent: (machineID: string) => boolean;
}

export function unitRow(facts: UnitFacts): UnitRow {
  const { unit, states, move, changedAt } = facts;
  const { name, desiredState: desired, description = "", global = false } = unit;
  const { phase, detail } = global ? standingOfGlobal(unit, states) : standingOf(facts);
  return {
    name,
    phase,
    detail,
    desired,
    global,
    description,
    machine: global ? undefined : unit.machineID,
    reportedBy: states.map(({ machineID }) => machineID),
    move,
    changedAt,
    haystack: `${name}\n${description}`.toLowerCase(),
  };
}

interface Standing {
  readonly phase: Phase;
  readonly detail: string;
}

function standingOf({ unit, states, isPresent }: UnitFacts): Standing {
  const { desiredState: desired, machineID } = unit;
  const [first] = states;
  if (machineID === undefined) {
    if (desired === "inactive") {
      return first === undefined
        ? { phase: "inactive", detail: "" }
        : { phase: "stopping", detail: words(first) };
    }
    // Still reported somewhere: it is stopped there before it is placed again.
    return first === undefined
      ? { phase: "waiting", detail: "no machine" }
      : { phase: "moving", detail: words(first) };
  }
  if (!isPresent(machineID)) return { phase: "moving", detail: "its machine is away" };
  const state = states.find((row) => row.machineID === machineID);
  if (state === undefined) {
    return desired === "inactive"
      ? { phase: "stopping", detail: "" }
      : { phase: "starting", detail: "not reported yet" };
  }
  if (desired === "inactive") return { phase: "stopping", detail: words(state) };
  return { phase: phaseOf(unit, state), detail: state.problem ?? words(state) };
}

/** What one machine's systemd says of a unit, and what is wanted of it. */
export function phaseOf({ desiredState }: Pick<UnitSummary, "desiredState">, state: ApiUnitState): Phase {
  if (state.problem !== undefined) return "failed";
  switch (state.systemdActiveState) {
    case "failed":
      return "failed";
    case "active":
      return "active";
    case "activating":
    case "reloading":
      return "starting";
    case "deactivating":
      return "stopping";
    default:
      return desiredState === "launched" ? "ended" : "loaded";
  }
}

function standingOfGlobal(unit: UnitSummary, states: readonly ApiUnitState[]): Standing {
  if (states.length === 0) {
    return unit.desiredState === "inactive"
      ? { phase: "inactive", detail: "" }
      : { phase: "waiting", detail: "no machine" };
  }
  const seen = new Set(states.map((state) => phaseOf(unit, state)));
  // In the order of the list: the worst that any machine reports.
  const worst = phases.find((phase) => seen.has(phase)) ?? "loaded";
  const active = states.filter(({ systemdActiveState }) => systemdActiveState === "active").length;
  return {
    phase: unit.desiredState === "inactive" ? "stopping" : worst,
    detail: `active on ${active} of ${states.length}`,
  };
}

/** As systemctl writes it. */
export function words({ systemdActiveState, systemdSubState }: ApiUnitState): string {
  return systemdActiveState === systemdSubState
    ? systemdActiveState
    : `${systemdActiveState} (${systemdSubState})`;
}
