import { collectDefaultMetrics } from "prom-client";
import type { PrometheusMetrics } from "./prometheus-metrics.ts";
import { version } from "./version.ts";

/**
 * Milliseconds between two looks at how late the event loop is. Each wakes the process: the library's 10 would keep an
 * idle daemon from ever being idle.
 */
const eventLoopLookMs = 1_000;

/** What is to be said of the process, whatever runs in it: memory, CPU time, event loop, and which build it is. */
export function addProcessMetrics(metrics: PrometheusMetrics): void {
  collectDefaultMetrics({ register: metrics.registry, eventLoopMonitoringPrecision: eventLoopLookMs });
  metrics.gauge(
    {
      name: "fleet_build_info",
      help: "Always 1; the labels say which build of fleetd this is.",
      labels: ["version", "node_version"],
    },
    () => [{ value: 1, labels: { version, node_version: process.version } }],
  );
}
