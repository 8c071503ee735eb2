import { type Etcd, LabDirectory, startEtcd } from "@fleet/lab";
import {
  Etcd3Store,
  maxFlatOperations,
  maxNestedOperations,
  type Operation,
  operationBatches,
  Registry,
} from "@fleet/registry";
import { LineLogger, systemClock, systemRandom } from "@fleet/runtime";
import { Etcd3, type IRequestOp } from "etcd3";
import { keys } from "./population.ts";

/** A real etcd of one member, its data in memory where there is room, with a fleet cluster in it and ways to fill that. */
export class BenchEtcd {
  readonly directory: LabDirectory;
  readonly endpoints: readonly string[];
  readonly store: Etcd3Store;
  readonly registry: Registry;
  readonly #etcd: Etcd;

  private constructor(directory: LabDirectory, etcd: Etcd) {
    this.directory = directory;
    this.#etcd = etcd;
    this.endpoints = etcd.endpoints;
    const common = { clock: systemClock, random: systemRandom };
    this.store = new Etcd3Store({ ...common, endpoints: etcd.endpoints, requestTimeoutMs: 30_000 });
    const logger = new LineLogger({
      write: (line) => process.stderr.write(line),
      now: systemClock.now,
      level: () => "warn",
      journal: false,
    });
    const memory = { load: async () => undefined, save: async () => {} };
    this.registry = new Registry({ ...common, store: this.store, prefix: keys.prefix, memory, logger });
  }

  static async start(): Promise<BenchEtcd> {
    const directory = LabDirectory.create();
    const bench = new BenchEtcd(directory, await startEtcd({ directory }));
    await bench.registry.guard.open(new AbortController().signal);
    return bench;
  }

  async stop(): Promise<void> {
    this.store.close();
    await this.#etcd.stop();
    await this.directory.remove();
  }

  /** As fast as it goes. */
  async write(operations: Iterable<Operation>): Promise<void> {
    const batches = [...operationBatches(operations)];
    let next = 0;
    const writer = async (): Promise<void> => {
      for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
        await this.store.txn({ compares: [], success: batch });
      }
    };
    await Promise.all(Array.from({ length: 8 }, writer));
  }

  /**
   * The library alone, nothing of fleet's: seconds to put these rows in transactions of so many. What is more than etcd takes in one
   * is nested, as an Etcd3Store does it.
   */
  async rawWriteSeconds(
    rows: readonly { readonly key: string; readonly value: string }[],
    perTransaction: number,
  ): Promise<number> {
    const client = new Etcd3({ hosts: [...this.endpoints] });
    try {
      await client.kv.range({ key: Buffer.from("warm") });
      const begunMs = performance.now();
      let next = 0;
      const writer = async (): Promise<void> => {
        for (let from = next; from < rows.length; from = next) {
          next += perTransaction;
          const puts = rows.slice(from, from + perTransaction).map(({ key, value }) => ({
            request_put: { key: Buffer.from(key), value: Buffer.from(value) },
          }));
          await client.kv.txn({ success: puts.length > maxFlatOperations ? nested(puts) : puts });
        }
      };
      await Promise.all(Array.from({ length: 8 }, writer));
      return (performance.now() - begunMs) / 1_000;
    } finally {
      client.close();
    }
  }
}

function nested(operations: readonly IRequestOp[]): IRequestOp[] {
  const transactions: IRequestOp[] = [];
  for (let from = 0; from < operations.length; from += maxNestedOperations) {
    transactions.push({ request_txn: { success: operations.slice(from, from + maxNestedOperations) } });
  }
  return transactions;
}
