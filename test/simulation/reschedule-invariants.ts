import type { Requirements } from "@fleet/core";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { prefix } from "./simulated-machine.ts";

type Limits = NonNullable<Requirements["reschedule"]>;

interface Counted {
  readonly generation: number;
  order: number;
  moves: number;
}

/**
 * What `RescheduleOnFailure=true` promises: so many moves of a unit within the interval.
 *
 * Intervals are counted by the leaders' clocks, which differ by more than any interval here. So moves of units whose
 * interval never ends are counted one by one; of the others, what the leader itself counts, by its clock.
 */
export class RescheduleInvariants {
  readonly #limits: ReadonlyMap<string, Limits>;
  readonly #counted = new Map<string, Counted>();
  #moves = 0;
  #violation: string | undefined;

  /** `limits`: of each unit that is moved at all. */
  constructor(cluster: SimulatedCluster, limits: ReadonlyMap<string, Limits>) {
    this.#limits = limits;
    cluster.etcd.onChange(({ events, caller }) => {
      for (const event of events) {
        if (event.type !== "put" || caller === undefined) continue;
        const [kind, unit = ""] = event.row.key.slice(prefix.length).split("/");
        if (kind === "reschedules") this.#follow(unit, event.row.value);
      }
    });
  }

  seen(): readonly (readonly [what: string, times: number])[] {
    return [["unit moved for failing", this.#moves]];
  }

  /** To be called after everything that happens. */
  check(): void {
    if (this.#violation !== undefined) throw new Error(this.#violation);
  }

  #follow(unit: string, value: string): void {
    const { generation, order, moves } = JSON.parse(value);
    const limits = this.#limits.get(unit);
    if (limits === undefined) {
      this.#violation ??= `${unit} is moved for failing, and does not ask for it`;
      return;
    }
    const former = this.#counted.get(unit);
    const isSame = former !== undefined && former.generation === generation;
    const counted: Counted = isSame ? former : { generation, order: 0, moves: 0 };
    this.#counted.set(unit, counted);
    if (order <= counted.order) return;
    this.#moves += 1;
    counted.order = order;
    counted.moves += 1;
    const { burst, intervalMs } = limits;
    const count = intervalMs === Number.POSITIVE_INFINITY ? counted.moves : moves.length;
    if (count > burst) {
      this.#violation ??= `${unit} is moved for the ${count}th time for failing, and may be ${burst} times`;
    }
  }
}
