import type { UnitOption } from "@fleet/core";
import {
  type ClusterMemory,
  type Operation,
  Registry,
  type RememberedCluster,
  readableFormats,
  type Store,
} from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";

/** An etcd with any number of clients. */
export interface EtcdUnderContract {
  client(): Store;
  stop(): Promise<void>;
}

/** What a machine remembers, in memory. */
export class Remembering implements ClusterMemory {
  saved: RememberedCluster | undefined;

  constructor(saved?: RememberedCluster) {
    this.saved = saved;
  }

  async load(): Promise<RememberedCluster | undefined> {
    return this.saved;
  }

  async save(cluster: RememberedCluster): Promise<void> {
    this.saved = cluster;
  }
}

export const hello: readonly UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
export const other: readonly UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/false" }];

let prefixes = 0;

/** Registries over the etcd under contract, and a hand that writes past them. Its functions need no `this`. */
export class RegistryBench {
  readonly #stop = new AbortController();
  readonly #opened: Store[] = [];
  #etcd: EtcdUnderContract | undefined;
  #raw: Store | undefined;

  /** Fires when the suite ends. */
  readonly signal = this.#stop.signal;

  get etcd(): EtcdUnderContract {
    if (this.#etcd === undefined) throw new Error("the etcd under contract is not up");
    return this.#etcd;
  }

  get raw(): Store {
    if (this.#raw === undefined) throw new Error("the etcd under contract is not up");
    return this.#raw;
  }

  async up(start: () => Promise<EtcdUnderContract>): Promise<void> {
    this.#etcd = await start();
    this.#raw = this.#etcd.client();
  }

  closeClients(): void {
    for (const store of this.#opened.splice(0)) store.close();
  }

  async down(): Promise<void> {
    this.#stop.abort();
    this.#raw?.close();
    await this.#etcd?.stop();
  }

  readonly prefix = (): string => {
    prefixes += 1;
    return `/registry/${prefixes}/`;
  };

  /** The registry as one machine has it. */
  readonly machine = (
    at: string,
    memory = new Remembering(),
    formats: readonly number[] = readableFormats,
  ): Registry => {
    const store = this.etcd.client();
    this.#opened.push(store);
    return new Registry({
      store,
      prefix: at,
      memory,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      formats,
    });
  };

  readonly ready = async (
    at: string,
    memory?: Remembering,
    formats?: readonly number[],
  ): Promise<Registry> => {
    const registry = this.machine(at, memory, formats);
    await registry.guard.open(this.signal);
    return registry;
  };

  readonly change = async (operation: Operation): Promise<void> => {
    await this.raw.txn({ compares: [], success: [operation] });
  };

  readonly write = async (key: string, value: string): Promise<void> => {
    await this.change({ op: "put", key, value });
  };

  readonly wipe = async (at: string): Promise<void> => {
    await this.change({ op: "delete", from: at, to: `${at.slice(0, -1)}0` });
  };

  readonly keysBelow = async (at: string): Promise<string[]> => {
    const { rows } = await this.raw.range({ from: at, to: `${at.slice(0, -1)}0` });
    return rows.map((row) => row.key.slice(at.length));
  };
}
