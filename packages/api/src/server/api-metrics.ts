import type { Metrics } from "@fleet/runtime";
import { latencyBuckets } from "@fleet/runtime";
import { operationList } from "../contract/operations.ts";

/** What the API counts. */
export interface ApiMetrics {
  /**
   * `operation`: its name in the table of operations, `metrics`, `dashboard`, or `other` for paths and methods that there are none of.
   * `elapsedMs`: not for what becomes a stream.
   */
  answered(operation: string, status: number, elapsedMs?: number): void;
}

/** Of requests that are for no operation: what strangers ask for must not make time series. */
export const otherOperation = "other";

export function apiMetrics(metrics: Metrics, openStreams: () => number): ApiMetrics {
  const requests = metrics.counter({
    name: "fleet_api_requests_total",
    help: "Requests answered, by operation and class of the status; 1xx: a stream was opened.",
    labels: ["operation", "status"],
  });
  const duration = metrics.histogram({
    name: "fleet_api_request_duration_seconds",
    help: "Time from a request's arrival until its answer was sent, by operation.",
    labels: ["operation"],
    buckets: latencyBuckets,
  });
  metrics.gauge({ name: "fleet_api_streams", help: "WebSocket streams that are open." }, () => [
    { value: openStreams(), labels: {} },
  ]);
  return {
    answered: (operation, status, elapsedMs) => {
      requests.add({ operation, status: `${Math.floor(status / 100)}xx` });
      if (elapsedMs !== undefined) duration.observe(elapsedMs / 1_000, { operation });
    },
  };
}

/** Operations by `<method> <url of the route>`. */
export function operationsByRoute(prefixes: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    prefixes.flatMap((prefix) =>
      operationList.map(([name, { method, path }]) => [`${method} ${routeUrl(prefix, path)}`, name] as const),
    ),
  );
}

/** A path of the table as the router writes it. */
export function routeUrl(prefix: string, path: string): string {
  return `${prefix}${path.replaceAll(/\{([^}]+)\}/g, ":$1")}`;
}
