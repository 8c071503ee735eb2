import { MeasuredStore, MemoryEtcd, MemoryStore } from "@fleet/registry";
import { silentMetrics, systemClock } from "@fleet/runtime";
import { describeStore } from "./store-contract.ts";

// A store like any other: whoever uses it does not notice that it is measured.
describeStore("MeasuredStore", async () => {
  const etcd = new MemoryEtcd(systemClock);
  const measured = (): MeasuredStore => new MeasuredStore(new MemoryStore(etcd), systemClock, silentMetrics);
  return {
    store: measured(),
    other: measured(),
    compact: async (revision) => etcd.compact(revision),
    stop: async () => etcd.close(),
  };
});
