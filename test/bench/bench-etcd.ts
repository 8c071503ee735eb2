import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Etcd, LabDirectory, startEtcd } from "@fleet/lab";
import { Etcd3Store, type Operation, operationBatches, Registry } from "@fleet/registry";
import { LineLogger, systemClock, systemRandom } from "@fleet/runtime";
import { keys } from "./population.ts";
import type { RawWritesMessage, RawWritesOptions } from "./raw-writes-process.ts";

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

  /** Puts rows again with the library alone, in a process of its own. */
  async rawWrites(of: Omit<RawWritesOptions, "endpoints">): Promise<RawWritesMessage> {
    const options: RawWritesOptions = { endpoints: this.endpoints, ...of };
    const program = join(import.meta.dirname, "raw-writes-process.mjs");
    const writing = fork(program, [JSON.stringify(options)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const ended = once(writing, "exit").then(([code]) => {
      throw new Error(`the process that writes with the library alone ended with ${code}`);
    });
    const [message] = await Promise.race([once(writing, "message"), ended]);
    await ended.catch(() => {});
    return message;
  }
}
