import { StoreError, type WatchEvent } from "@fleet/registry";
import type { BenchEtcd } from "./bench-etcd.ts";
import { keys } from "./population.ts";

/** What one watch of everything in etcd has told so far. Times are those of `performance.now`. */
export class ClusterWatch {
  readonly machines = new Set<string>();
  /** Unit → the machine of its latest assignment. */
  readonly assignments = new Map<string, string>();
  /** Units that run, by what a machine says, as `machine unit`. */
  readonly running = new Set<string>();
  lastMachineLostAtMs = Number.NaN;
  lastAssignedAtMs = Number.NaN;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #heard: () => void = () => {};

  /** Of an etcd with nothing in it but the cluster. */
  constructor(etcd: BenchEtcd) {
    this.#ended = this.#follow(etcd).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** Looks after each batch of events, and tells of it now and then. */
  async until(holds: () => boolean, tell: () => void): Promise<void> {
    const teller = setInterval(tell, 10_000);
    try {
      while (!holds()) {
        await new Promise<void>((resolve) => {
          this.#heard = resolve;
        });
      }
    } finally {
      clearInterval(teller);
    }
  }

  /** Goes on where it was when its connection breaks, as it does on a host that thousands of agents keep busy. */
  async #follow(etcd: BenchEtcd): Promise<void> {
    for (let fromRevision = 1; ; ) {
      try {
        const batches = etcd.store.watch({ ...keys.all(), fromRevision }, this.#stop.signal);
        for await (const { revision, events } of batches) {
          this.#hear(events);
          fromRevision = revision + 1;
        }
      } catch (error) {
        if (!(error instanceof StoreError && error.retryable) || this.#stop.signal.aborted) throw error;
      }
    }
  }

  #hear(events: readonly WatchEvent[]): void {
    const atMs = performance.now();
    for (const event of events) {
      if (event.type === "put") this.#put(event.row.key, event.row.value, atMs);
      else this.#deleted(event.key, atMs);
    }
    this.#heard();
  }

  #put(key: string, value: string, atMs: number): void {
    const subject = keys.parse(key);
    if (subject?.kind === "machine") this.machines.add(subject.machineId);
    if (subject?.kind === "assignment") {
      this.assignments.set(subject.unit, subject.machineId);
      this.lastAssignedAtMs = atMs;
    }
    if (subject?.kind === "state" && value.includes('"active":"active"')) {
      this.running.add(`${subject.machineId} ${subject.unit}`);
    }
  }

  #deleted(key: string, atMs: number): void {
    const subject = keys.parse(key);
    if (subject?.kind === "machine" && this.machines.delete(subject.machineId))
      this.lastMachineLostAtMs = atMs;
    if (subject?.kind === "state") this.running.delete(`${subject.machineId} ${subject.unit}`);
  }
}
