import type { BenchEtcd } from "./bench-etcd.ts";
import { keys, oneUnitMore } from "./population.ts";

const warmUps = 10;
const repetitions = 50;

/** Milliseconds, one of each after the other. */
export interface OneUnitMoreTimes {
  /** From a unit's intent, about to be written, until a watch shows its assignment. */
  readonly assigned: readonly number[];
  /** From one put, about to be sent, until a watch shows it. */
  readonly put: readonly number[];
}

/** On a cluster with a leader that has nothing else to do. */
export async function oneUnitMoreTimes(etcd: BenchEtcd): Promise<OneUnitMoreTimes> {
  const stop = new AbortController();
  const seen = new SeenPuts();
  const { revision } = await etcd.store.txn({ compares: [], success: [] });
  const watches = [`${keys.prefix}assignments/`, roundPrefix].map((prefix) =>
    seen.follow(etcd, { from: prefix, to: `${prefix.slice(0, -1)}0` }, revision + 1, stop.signal),
  );
  const times = { assigned: [] as number[], put: [] as number[] };
  try {
    for (let index = 0; index < warmUps + repetitions; index += 1) {
      const { name, row } = oneUnitMore(index);
      times.assigned.push(
        await seen.after(
          (key) => key.endsWith(`/${name}`),
          () => etcd.write([row]),
        ),
      );
      const key = `${roundPrefix}${index}`;
      const put = { op: "put", key, value: "round" } as const;
      times.put.push(
        await seen.after(
          (other) => other === key,
          () => etcd.write([put]),
        ),
      );
    }
  } finally {
    stop.abort();
    await Promise.all(watches);
  }
  return { assigned: times.assigned.slice(warmUps), put: times.put.slice(warmUps) };
}

const roundPrefix = "/bench-round/";

/** Puts as watches show them. */
class SeenPuts {
  #seen: (key: string) => void = () => {};

  async follow(
    etcd: BenchEtcd,
    range: { readonly from: string; readonly to: string },
    fromRevision: number,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      for await (const { events } of etcd.store.watch({ ...range, fromRevision }, signal)) {
        for (const event of events) if (event.type === "put") this.#seen(event.row.key);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Milliseconds until a put of such a key is seen, `write` included. */
  async after(isIt: (key: string) => boolean, write: () => Promise<void>): Promise<number> {
    const begunMs = performance.now();
    const seen = new Promise<number>((resolve) => {
      this.#seen = (key) => {
        if (isIt(key)) resolve(performance.now());
      };
    });
    const [atMs] = await Promise.all([seen, write()]);
    return atMs - begunMs;
  }
}
