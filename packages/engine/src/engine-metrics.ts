import type { ClusterModel, Step } from "@fleet/core";
import { type Counter, type Histogram, latencyBuckets, type Metrics } from "@fleet/runtime";

/** What an engine counts over all its terms. */
export interface EngineMetrics {
  readonly terms: Counter;
  readonly planDuration: Histogram;
  readonly steps: Counter<"step" | "reason">;
  readonly commits: Counter<"result">;
  readonly auditFindings: Counter;
  readonly reschedulesHeld: Counter<"reason">;
  readonly machineLosses: Counter;
  readonly massLosses: Counter;
}

/** What there is to say of the present term. */
export interface TermOverview {
  readonly number: number;
  /** Seconds since 1970. */
  readonly since: number;
  readonly work: WorkOverview;
}

export interface WorkOverview {
  /** How many machines there are, by state: open, leaving, unreadable, away. */
  machines(): ReadonlyMap<string, number>;
  /** How many units are to run and have no machine. */
  unplaced(): number;
  /** How many of them wait for each cause. A unit may have several. */
  pending(): ReadonlyMap<string, number>;
  /** For how many machines re-placing is held. */
  held(): number;
  /** How many machines are unsteady, present or not. */
  unsteady(): number;
}

const commitResults = ["committed", "fenced", "failed"] as const;

export function engineMetrics(metrics: Metrics, overview: () => TermOverview | undefined): EngineMetrics {
  gauges(metrics, overview);
  const commits = metrics.counter({
    name: "fleet_engine_commits_total",
    help: "Writes of decisions to etcd, by result; fenced: another engine leads, failed: it is not known what was written.",
    labels: ["result"],
  });
  for (const result of commitResults) commits.add({ result }, 0);
  return {
    commits,
    terms: metrics.counter({
      name: "fleet_engine_terms_total",
      help: "Terms in which this engine has led.",
    }),
    planDuration: metrics.histogram({
      name: "fleet_engine_plan_duration_seconds",
      help: "Time that making a plan took, without carrying it out.",
      buckets: latencyBuckets,
    }),
    steps: metrics.counter({
      name: "fleet_engine_steps_total",
      help: "Steps of plans that were carried out: assign, update, withdraw and settle, by reason.",
      labels: ["step", "reason"],
    }),
    auditFindings: metrics.counter({
      name: "fleet_engine_audit_findings_total",
      help: "Steps that an audit found left undone; anything but 0 is a defect of fleet.",
    }),
    reschedulesHeld: metrics.counter({
      name: "fleet_engine_reschedules_held_total",
      help: "Failures of units that ask to be moved then and were not, by reason: limit, no_other_machine.",
      labels: ["reason"],
    }),
    machineLosses: metrics.counter({
      name: "fleet_engine_machine_losses_total",
      help: "Machines that vanished without leaving.",
    }),
    massLosses: metrics.counter({
      name: "fleet_engine_mass_losses_total",
      help: "Times that so many machines vanished together that re-placing was held.",
    }),
  };
}

export function labelsOf(step: Step): { readonly step: string; readonly reason: string } {
  // A machine is settled whenever there is nothing left to decide for its registration: there is no other reason.
  return { step: step.kind, reason: step.kind === "settle" ? "registered" : step.reason.kind };
}

function gauges(metrics: Metrics, overview: () => TermOverview | undefined): void {
  const leading = (value: (term: TermOverview) => number) => () => {
    const term = overview();
    return term === undefined ? [] : [{ value: value(term), labels: {} }];
  };
  metrics.gauge({ name: "fleet_engine_leader", help: "1 while this engine leads, else 0." }, () => [
    { value: overview() === undefined ? 0 : 1, labels: {} },
  ]);
  metrics.gauge(
    { name: "fleet_engine_term", help: "Number of the present term, from the leader only." },
    leading(({ number }) => number),
  );
  metrics.gauge(
    {
      name: "fleet_engine_leader_start_time_seconds",
      help: "When the present term began, since the epoch, from the leader only.",
    },
    leading(({ since }) => since),
  );
  metrics.gauge(
    {
      name: "fleet_engine_units_unplaced",
      help: "Units that are to run and have no machine, from the leader only.",
    },
    leading(({ work }) => work.unplaced()),
  );
  metrics.gauge(
    {
      name: "fleet_engine_machines",
      help: "Machines by state, from the leader only; open: they take units, away: they vanished and what they ran is not re-placed.",
      labels: ["state"],
    },
    () => [...(overview()?.work.machines() ?? [])].map(([state, value]) => ({ value, labels: { state } })),
  );
  metrics.gauge(
    {
      name: "fleet_engine_machines_held",
      help: "Machines that vanished in a mass loss which is to be confirmed, from the leader only.",
    },
    leading(({ work }) => work.held()),
  );
  metrics.gauge(
    {
      name: "fleet_engine_machines_unsteady",
      help: "Machines that were lost again and again, and get new units only when no other can take them, from the leader only.",
    },
    leading(({ work }) => work.unsteady()),
  );
  metrics.gauge(
    {
      name: "fleet_engine_units_pending",
      help: "Unplaced units by what keeps them off machines, from the leader only; a unit may have several causes.",
      labels: ["cause"],
    },
    () => [...(overview()?.work.pending() ?? [])].map(([cause, value]) => ({ value, labels: { cause } })),
  );
}

/** Machines by how they stand. */
export function countMachines(model: ClusterModel): ReadonlyMap<string, number> {
  const counts = new Map([
    ["open", 0],
    ["leaving", 0],
    ["unreadable", 0],
    ["away", 0],
  ]);
  for (const machineId of model.machineIds()) {
    const machine = model.machine(machineId);
    const missing = model.isAway(machineId) ? "away" : "unreadable";
    const state = machine === undefined ? missing : machine.leaving ? "leaving" : "open";
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}
