import { MemoryEtcd, MemoryStore, Registry, type RememberedCluster, type Store } from "@fleet/registry";
import { silentLogger } from "@fleet/runtime";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";

/** An in-memory etcd on simulated time, and registries over it. */
export class Bench {
  readonly clock: SimulatedClock;
  readonly etcd: MemoryEtcd;
  readonly prefix = "/fleet/";
  readonly saves: RememberedCluster[] = [];

  constructor(clock = new SimulatedClock()) {
    this.clock = clock;
    this.etcd = new MemoryEtcd(clock);
  }

  async registry(store: Store = new MemoryStore(this.etcd)): Promise<Registry> {
    const { prefix, clock, saves } = this;
    const memory = {
      load: async () => undefined,
      save: async (cluster: RememberedCluster) => {
        saves.push(cluster);
      },
    };
    const registry = new Registry({
      store,
      prefix,
      memory,
      clock,
      random: () => 0.5,
      logger: silentLogger,
    });
    await registry.guard.open(new AbortController().signal);
    return registry;
  }

  put(key: string, value: string): number {
    return this.etcd.txn({ compares: [], success: [{ op: "put", key: `${this.prefix}${key}`, value }] })
      .revision;
  }

  remove(key: string): number {
    return this.etcd.txn({ compares: [], success: [{ op: "delete", from: `${this.prefix}${key}` }] })
      .revision;
  }

  has(key: string): boolean {
    return this.etcd.range({ from: `${this.prefix}${key}` }).rows.length > 0;
  }
}
