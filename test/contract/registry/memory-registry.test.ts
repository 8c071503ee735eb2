import { MemoryEtcd, MemoryStore } from "@fleet/registry";
import { systemClock } from "@fleet/runtime";
import { describeRegistry } from "./registry-contract.ts";

describeRegistry("MemoryStore", async () => {
  const etcd = new MemoryEtcd(systemClock);
  return { client: () => new MemoryStore(etcd), stop: async () => etcd.close() };
});
