import { MemoryEtcd, MemoryStore } from "@fleet/registry";
import { systemClock } from "@fleet/runtime";
import { describeStore } from "./store-contract.ts";

describeStore("MemoryStore", async () => {
  const etcd = new MemoryEtcd(systemClock);
  return {
    store: new MemoryStore(etcd),
    other: new MemoryStore(etcd),
    compact: async (revision) => etcd.compact(revision),
    stop: async () => etcd.close(),
  };
});
