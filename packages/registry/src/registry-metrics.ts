import type { Counter, Metrics } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";

/** How following the store went. */
export interface FollowMetrics {
  readonly reconnects: Counter;
  readonly relists: Counter;
}

/** Why a store is not trusted: the codes of ClusterGuard's errors. */
const freezeCodes = [
  "cluster_unverified",
  "cluster_missing",
  "cluster_foreign",
  "cluster_rolled_back",
  "cluster_format",
  "cluster_reseeded",
] as const;

export function registryMetrics(
  metrics: Metrics,
  guard: Pick<ClusterGuard, "frozen" | "revision" | "epoch" | "reseeding">,
): FollowMetrics {
  metrics.gauge(
    {
      name: "fleet_registry_frozen",
      help: "1 for the reason why what is in etcd is not trusted, else 0; unverified: etcd has not been reached since the start.",
      labels: ["code"],
    },
    () => freezeCodes.map((code) => ({ value: guard.frozen?.code === code ? 1 : 0, labels: { code } })),
  );
  metrics.gauge(
    { name: "fleet_registry_revision", help: "Highest revision of etcd that this daemon has seen." },
    () => [{ value: guard.revision, labels: {} }],
  );
  metrics.gauge(
    {
      name: "fleet_registry_epoch",
      help: "How often the store of the cluster was seeded anew, counted from 1; 0 until the cluster is known.",
    },
    () => [{ value: guard.epoch, labels: {} }],
  );
  metrics.gauge(
    {
      name: "fleet_registry_reseeding",
      help: "1 while the store is being seeded anew, until its operator says that it is done, else 0.",
    },
    () => [{ value: guard.reseeding ? 1 : 0, labels: {} }],
  );
  return {
    reconnects: metrics.counter({
      name: "fleet_registry_watch_reconnects_total",
      help: "Watches of the cluster that were taken up again after they had broken.",
    }),
    relists: metrics.counter({
      name: "fleet_registry_relists_total",
      help: "Times that everything had to be read again, because the history had been compacted or the store was frozen.",
    }),
  };
}
