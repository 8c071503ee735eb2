import type { Counter, Histogram, Metrics } from "@fleet/runtime";
import { activationBuckets } from "./activation-times.ts";

/** What an agent counts. */
export interface AgentMetrics {
  readonly registrations: Counter;
  readonly tasks: Counter<"task" | "result">;
  readonly activation: Histogram;
  readonly fencedUnits: Counter<"by">;
}

/** What there is to say of an agent at the moment. */
export interface AgentOverview {
  registered(): boolean;
  settled(): boolean;
  /** How many units have a task under way. */
  busy(): number;
  /** How many units of this machine have which active state. */
  activeStates(): ReadonlyMap<string, number>;
}

/** systemd's own list; a state that a newer systemd has besides counts as "other". */
const activeStates = [
  "active",
  "reloading",
  "inactive",
  "failed",
  "activating",
  "deactivating",
  "maintenance",
  "refreshing",
] as const;

export function agentMetrics(metrics: Metrics, overview: AgentOverview): AgentMetrics {
  const flag = (is: () => boolean) => () => [{ value: is() ? 1 : 0, labels: {} }];
  metrics.gauge(
    { name: "fleet_agent_registered", help: "1 while this machine is registered with the cluster, else 0." },
    flag(() => overview.registered()),
  );
  metrics.gauge(
    {
      name: "fleet_agent_settled",
      help: "1 while the engine has taken this machine's registration into account, else 0.",
    },
    flag(() => overview.settled()),
  );
  metrics.gauge(
    { name: "fleet_agent_tasks_running", help: "Units of this machine that have a task under way." },
    () => [{ value: overview.busy(), labels: {} }],
  );
  metrics.gauge(
    {
      name: "fleet_agent_units",
      help: "Units of this machine by systemd's active state.",
      labels: ["active_state"],
    },
    () => unitSamples(overview.activeStates()),
  );
  return {
    registrations: metrics.counter({
      name: "fleet_agent_registrations_total",
      help: "Times that this machine was registered; more than one means that a registration was lost.",
    }),
    tasks: metrics.counter({
      name: "fleet_agent_tasks_total",
      help: "Tasks of the agent that have ended, by kind and result; stale: the order had changed meanwhile.",
      labels: ["task", "result"],
    }),
    fencedUnits: fencedUnits(metrics),
    activation: metrics.histogram({
      name: "fleet_agent_activation_duration_seconds",
      help: "Time from hearing of the order to start a unit until systemd said that it is active.",
      buckets: activationBuckets,
    }),
  };
}

function fencedUnits(metrics: Metrics): Counter<"by"> {
  const counter = metrics.counter({
    name: "fleet_agent_fenced_units_total",
    help: "Exclusive units stopped because this machine's lease was about to end, by who did: fleetd or systemd's timer.",
    labels: ["by"],
  });
  for (const by of ["fleetd", "timer"]) counter.add({ by }, 0);
  return counter;
}

function unitSamples(counts: ReadonlyMap<string, number>) {
  const others = [...counts].filter(([state]) => !activeStates.some((known) => known === state));
  const other = others.reduce((sum, [, count]) => sum + count, 0);
  return [
    ...activeStates.map((state) => ({ value: counts.get(state) ?? 0, labels: { active_state: state } })),
    { value: other, labels: { active_state: "other" } },
  ];
}
