import { Etcd3, type Watcher } from "etcd3";

const prefix = "/_coreos.com/fleet/states/";

/** A unit's row as an agent published it. */
interface StateRow {
  readonly active: string;
  readonly sub: string;
}

type RowCheck = (row: StateRow) => boolean;

interface Waiter {
  readonly holds: () => boolean;
  readonly resolve: () => void;
}

export const isRunning: RowCheck = ({ active, sub }) => active === "active" && sub === "running";

/** The states that agents publish, seen through a watch of etcd as it delivers them, past fleet's own code. */
export class StateRows {
  readonly #client: Etcd3;
  readonly #rows = new Map<string, StateRow>();
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<(unit: string, row: StateRow | undefined) => void>();

  readonly #watcher: Watcher;

  private constructor(client: Etcd3, watcher: Watcher) {
    this.#client = client;
    this.#watcher = watcher;
    watcher.on("put", ({ key, value }) => this.#set(unitOf(key), JSON.parse(value.toString("utf8"))));
    watcher.on("delete", ({ key }) => this.#set(unitOf(key), undefined));
  }

  /** To be called before there are any. */
  static async watch(endpoints: readonly string[]): Promise<StateRows> {
    const client = new Etcd3({ hosts: [...endpoints] });
    return new StateRows(client, await client.watch().prefix(prefix).create());
  }

  /** The store's revision, by asking it. */
  async revision(): Promise<number> {
    const { header } = await this.#client.kv.range({ key: Buffer.from("revision") });
    return Number(header.revision);
  }

  onRow(listener: (unit: string, row: StateRow | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Waits until the rows of all units are as `check` wants them. */
  async until(units: readonly string[], check: RowCheck): Promise<void> {
    const missing = new Set(units);
    const holds = (): boolean => {
      for (const unit of missing) {
        const row = this.#rows.get(unit);
        if (row === undefined || !check(row)) return false;
        missing.delete(unit);
      }
      return true;
    };
    await this.#untilHolds(
      holds,
      () => `${missing.size} of ${units.length} units, one is ${[...missing][0]}`,
    );
  }

  /** Waits until no row is left. */
  untilNone(): Promise<void> {
    return this.#untilHolds(
      () => this.#rows.size === 0,
      () => `${this.#rows.size} rows that are to go`,
    );
  }

  async close(): Promise<void> {
    // One that is not cancelled would look for its etcd for ever.
    await this.#watcher.cancel();
    this.#client.close();
  }

  async #untilHolds(holds: () => boolean, missing: () => string): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const waiter = {
        holds,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`waited ${patienceMs / 1_000} s in vain for ${missing()}`));
      }, patienceMs);
      this.#waiters.add(waiter);
    });
  }

  #set(unit: string, row: StateRow | undefined): void {
    if (row === undefined) this.#rows.delete(unit);
    else this.#rows.set(unit, row);
    for (const listener of this.#listeners) listener(unit, row);
    for (const waiter of this.#waiters) {
      if (!waiter.holds()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}

const patienceMs = 180_000;

function unitOf(key: Buffer): string {
  const text = key.toString("utf8");
  return text.slice(text.lastIndexOf("/") + 1);
}
