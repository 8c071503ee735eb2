import { MemoryEtcd } from "@fleet/registry";
import type { Random } from "@fleet/runtime";
import { type Action, nothing } from "./requests.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { prefix } from "./simulated-machine.ts";

/** What would not be readable as the history of one cluster: outside the prefix, it only moves the revision on. */
const elsewhere = "/elsewhere";

export interface DisasterOptions {
  readonly cluster: SimulatedCluster;
  readonly random: Random;
  /** Lets time pass, with everything watched. */
  readonly pass: (durationMs: number) => Promise<void>;
}

/**
 * For a while the machines find a store that is not, or no longer, their cluster's. Then an operator brings the right one
 * back, moved on in its revision, and starts every fleetd anew that says it was rolled back. Meanwhile nothing may stop.
 */
export function disasters({ cluster, random, pass }: DisasterOptions): readonly Action[] {
  const { etcd, clock } = cluster;
  let backup: MemoryEtcd | undefined;

  const instead = async (store: MemoryEtcd, breaking: boolean): Promise<string> => {
    const highest = Math.max(store.revision, etcd.truth.revision);
    etcd.serve(store, { breaking });
    const durationMs = 1000 + random() * 14_000;
    await pass(durationMs);
    const reached = Math.max(highest, etcd.serving.revision);
    while (etcd.truth.revision <= reached) put(etcd.truth, elsewhere, "moved on");
    etcd.serve(etcd.truth, { breaking: true });
    for (const machine of cluster.machines) {
      if (machine.frozen === "cluster_rolled_back") restart(machine);
    }
    return `for ${Math.round(durationMs)} ms`;
  };
  const foreign = (): MemoryEtcd => {
    const store = new MemoryEtcd(clock);
    put(store, `${prefix}cluster`, JSON.stringify({ v: 1, id: "another", format: 1 }));
    return store;
  };
  /** Rows are lost together with the identity of the cluster, and connections stay. */
  const damaged = (): MemoryEtcd => {
    const store = etcd.truth.copy();
    const { rows } = store.range({ from: prefix, to: "/fleet0" });
    const lost = rows.filter(({ key }) => key === `${prefix}cluster` || random() < 0.3).slice(0, 120);
    const deletions = lost.map(({ key }) => ({ op: "delete", from: key }) as const);
    etcd.serve(store, { breaking: false });
    store.txn({ compares: [], success: [...deletions, { op: "delete", from: `${prefix}cluster` }] });
    return store;
  };
  const rolledBack = async (): Promise<string> => {
    if (backup === undefined || backup.revision >= etcd.truth.revision) return nothing;
    const store = backup;
    backup = undefined;
    return await instead(store.copy(), true);
  };
  return [
    {
      weight: 1,
      name: "back up",
      act: () => {
        backup?.close();
        backup = etcd.truth.copy();
        return `at ${backup.revision}`;
      },
    },
    { weight: 0.25, name: "store wiped", act: () => instead(new MemoryEtcd(clock), true) },
    { weight: 0.25, name: "store of another cluster", act: () => instead(foreign(), true) },
    { weight: 0.25, name: "store damaged", act: () => instead(damaged(), false) },
    { weight: 0.5, name: "store rolled back", act: rolledBack },
  ];
}

function restart(machine: SimulatedCluster["machines"][number]): void {
  machine.kill();
  machine.start();
}

function put(store: MemoryEtcd, key: string, value: string): void {
  store.txn({ compares: [], success: [{ op: "put", key, value }] });
}
