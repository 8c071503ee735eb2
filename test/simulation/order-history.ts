import { type SimulatedCluster, unreadable } from "./simulated-cluster.ts";
import { prefix } from "./simulated-machine.ts";

/** What was said of a unit from `revision` on; undefined: nothing. */
interface Order {
  readonly revision: number;
  readonly says: { readonly target: string; readonly hash: string } | undefined;
}

/** All that has ever been said of units: by users (`units/<unit>`), and to machines (`assignments/<machine>/<unit>`). */
export class OrderHistory {
  readonly #orders = new Map<string, Order[]>();

  constructor(cluster: SimulatedCluster) {
    cluster.etcd.onChange(({ revision, events }) => {
      for (const event of events) {
        const key = (event.type === "put" ? event.row.key : event.key).slice(prefix.length);
        if (!/^(units|assignments)\//.test(key) || key.endsWith("@settled")) continue;
        if (event.type === "delete") this.#note(key, { revision, says: undefined });
        // Making it unreadable was no order.
        else if (event.row.value !== unreadable) {
          const { target, hash } = JSON.parse(event.row.value);
          this.#note(key, { revision, says: { target, hash } });
        }
      }
    });
  }

  /**
   * Whether anything was said that keeps a unit from running with this content, after the first order to run it that whoever
   * started it may have acted on: one that stood at `since` or later. True also when there was none. What a backup ordered is not
   * among these, so that after a start `ofBackup` any of them counts.
   */
  hasReason(
    key: string,
    hash: string | undefined,
    { since, ofBackup }: { readonly since: number; readonly ofBackup: boolean },
  ): boolean {
    const orders = this.#orders.get(key) ?? [];
    const runs = ({ says }: Order): boolean => says?.target === "launched" && says.hash === hash;
    const first = orders.findIndex((order, index) => {
      const until = orders[index + 1]?.revision ?? Number.POSITIVE_INFINITY;
      return until > since && (ofBackup || runs(order));
    });
    return first < 0 || !orders.slice(first).every(runs);
  }

  #note(key: string, order: Order): void {
    const orders = this.#orders.get(key);
    if (orders === undefined) this.#orders.set(key, [order]);
    else orders.push(order);
  }
}
