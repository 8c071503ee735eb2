import { MeasuredStore, MemoryEtcd, MemoryStore } from "@fleet/registry";
import { systemClock } from "@fleet/runtime";
import { agentMetrics } from "../../../packages/agent/src/agent-metrics.ts";
import { apiMetrics } from "../../../packages/api/src/server/api-metrics.ts";
import { engineMetrics } from "../../../packages/engine/src/engine-metrics.ts";
import { addProcessMetrics } from "../../../packages/fleetd/src/process-metrics.ts";
import { PrometheusMetrics, type RegisteredMetric } from "../../../packages/fleetd/src/prometheus-metrics.ts";
import { registryMetrics } from "../../../packages/registry/src/registry-metrics.ts";

/** What all components declare, with the labels that /metrics shows only once there is something to count. */
export function declaredMetrics(): readonly RegisteredMetric[] {
  const metrics = new PrometheusMetrics();
  addProcessMetrics(metrics);
  engineMetrics(metrics, () => undefined);
  agentMetrics(metrics, {
    registered: () => false,
    settled: () => false,
    busy: () => 0,
    activeStates: () => new Map(),
  });
  registryMetrics(metrics, { frozen: undefined, revision: 0, epoch: 1, reseeding: false });
  new MeasuredStore(new MemoryStore(new MemoryEtcd(systemClock)), systemClock, metrics).close();
  apiMetrics(metrics, () => 0);
  return metrics.registered();
}
