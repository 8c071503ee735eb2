import type { Assignment, Spared } from "../cluster/records.ts";
import type { JournalEntry } from "./journal-entry.ts";

/** One thing for an agent to do about one unit, with the reason for it. */
export type AgentTask =
  | {
      readonly kind: "load";
      readonly unit: string;
      readonly assignment: Assignment;
      readonly reason: "assigned" | "interrupted";
    }
  | {
      readonly kind: "start";
      readonly unit: string;
      readonly assignment: Assignment;
      /** `retry`: only if the unit has failed. */
      readonly reason: "intent" | "retry";
    }
  | {
      readonly kind: "restart";
      readonly unit: string;
      readonly assignment: Assignment;
      readonly reason: "requested";
    }
  | {
      readonly kind: "stop";
      readonly unit: string;
      readonly assignment: Assignment;
      readonly reason: "intent";
    }
  | {
      readonly kind: "fence";
      readonly unit: string;
      /** `lease_lost`: it is to stop. `fired`: systemd's timer has stopped it; it is to start again. */
      readonly reason: "lease_lost" | "fired";
    }
  | {
      readonly kind: "unload";
      readonly unit: string;
      readonly reason: "unassigned" | "replaced" | "leaving" | "interrupted";
    };

/** What the fence makes necessary for an exclusive unit. */
export type FenceTask = Extract<AgentTask, { kind: "fence" }>;

export interface AgentView {
  /** This machine's assignments by unit. */
  readonly assignments: ReadonlyMap<string, Assignment>;
  /** Units whose assignment cannot be read: nothing is done about them. */
  readonly unreadable: ReadonlySet<string>;
  readonly journal: ReadonlyMap<string, JournalEntry>;
  /** The engine has taken this registration into account: a missing assignment means that the unit is to go. */
  readonly settled: boolean;
  /** Units that are kept all the same, see `Settled`. */
  readonly spared?: Spared;
  /** Exclusive units that systemd's timer has stopped: their intent is to be carried out anew. */
  readonly fired?: ReadonlySet<string>;
  /** The machine is leaving the cluster: everything goes. */
  readonly leaving: boolean;
}

/**
 * What has to happen on a machine to make its systemd match its assignments, sorted by unit name.
 *
 * It compares intent generations, not what systemd shows: a oneshot that has finished, or a unit that an
 * administrator stopped by hand, has had its intent carried out and is left alone. Restarts are compared by number.
 */
export function diff(view: AgentView): readonly AgentTask[] {
  const names = new Set([...view.assignments.keys(), ...view.journal.keys()]);
  const tasks: AgentTask[] = [];
  for (const unit of [...names].sort()) {
    const task = taskFor(unit, view);
    if (task !== undefined) tasks.push(task);
  }
  return tasks;
}

/** What is left to do on a machine that has lost its lease: its exclusive units stop, those apart that have. */
export function fenceTasks(
  journal: ReadonlyMap<string, JournalEntry>,
  stopped: ReadonlySet<string>,
): readonly AgentTask[] {
  return [...journal.values()]
    .filter(({ unit, exclusive }) => exclusive === true && !stopped.has(unit))
    .map(
      ({ unit, phase }): AgentTask =>
        phase === "unloading"
          ? { kind: "unload", unit, reason: "interrupted" }
          : { kind: "fence", unit, reason: "lease_lost" },
    )
    .sort((left, right) => (left.unit < right.unit ? -1 : 1));
}

function taskFor(unit: string, view: AgentView): AgentTask | undefined {
  const entry = view.journal.get(unit);
  // Half an unload must be ended first, whatever is wanted by now: its file may already be gone.
  if (entry?.phase === "unloading") return { kind: "unload", unit, reason: "interrupted" };
  if (view.leaving) return entry === undefined ? undefined : { kind: "unload", unit, reason: "leaving" };
  if (view.fired?.has(unit) === true && entry?.phase === "loaded") {
    return { kind: "fence", unit, reason: "fired" };
  }
  if (view.unreadable.has(unit)) return undefined;

  const assignment = view.assignments.get(unit);
  if (assignment === undefined) {
    const kept = !view.settled || view.spared === "all" || view.spared?.includes(unit) === true;
    return entry === undefined || kept ? undefined : { kind: "unload", unit, reason: "unassigned" };
  }
  if (entry === undefined) {
    const waits = assignment.awaits.some((name) => view.journal.has(name));
    return waits ? undefined : { kind: "load", unit, assignment, reason: "assigned" };
  }
  if (entry.hash !== assignment.hash) return { kind: "unload", unit, reason: "replaced" };
  if (entry.phase === "loading") return { kind: "load", unit, assignment, reason: "interrupted" };
  if (entry.generation === assignment.generation) {
    return isRestartDue(assignment, entry)
      ? { kind: "restart", unit, assignment, reason: "requested" }
      : undefined;
  }
  // systemd would not take it last time: a new intent is worth a new try from the start.
  if (entry.problem !== undefined && entry.generation > 0)
    return { kind: "unload", unit, reason: "replaced" };
  if (assignment.target === "loaded") return { kind: "stop", unit, assignment, reason: "intent" };
  return { kind: "start", unit, assignment, reason: isRetry(assignment, entry) ? "retry" : "intent" };
}

/** What the assignment asks for was carried out here before: all it asks for now is to start what has failed. */
function isRetry({ retryOf }: Assignment, { generation, launched, refusal }: JournalEntry): boolean {
  // A start that systemd refused left nothing that could have failed: it is asked for again as it was.
  return retryOf !== undefined && generation >= retryOf && launched && refusal === undefined;
}

/** The assignment orders a restart that has not been carried out: whoever starts the unit carries it out with that. */
export function isRestartDue(assignment: Assignment, entry: JournalEntry): boolean {
  const { restart, target } = assignment;
  return target === "launched" && restart !== undefined && restart > (entry.restart?.number ?? 0);
}
