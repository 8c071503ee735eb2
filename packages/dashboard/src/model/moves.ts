/** A unit that left one machine for another, as it was seen to happen. */
export interface UnitMove {
  readonly from: string;
  /** When it left, in milliseconds since the epoch. */
  readonly at: number;
  /** When it was first seen active elsewhere; undefined: not yet. */
  readonly arrivedAt: number | undefined;
}

/** A machine that is no longer listed. */
export interface GoneMachine {
  readonly id: string;
  readonly primaryIP: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was last seen listed, in milliseconds since the epoch. */
  readonly at: number;
  /** Units that were placed on it then. */
  readonly units: number;
}

/** How far the units of a machine that is gone have got. */
export interface Failover {
  readonly machine: GoneMachine;
  /** Units that left it. */
  readonly units: number;
  /** Those of them that have been seen active elsewhere. */
  readonly arrived: number;
  /** When the last one arrived; undefined while some have not. */
  readonly doneAt: number | undefined;
}

/** How long an arrival is pointed out, in milliseconds. */
const arrivalMs = 30_000;
/** How long a move without an arrival is: its unit may have been told to stop meanwhile. */
const openMoveMs = 10 * 60_000;
/** How long a machine stays listed after it has gone. */
const goneMs = 5 * 60_000;
/** Moves and machines pointed out at once; the oldest go first. */
const bound = 20_000;

/**
 * What failover looks like: machines that are gone and units on their way, each forgotten after a while.
 */
export class Moves {
  readonly #moves = new Map<string, UnitMove>();
  readonly #gone = new Map<string, GoneMachine>();

  /** Machines that are gone, the latest last. */
  get gone(): readonly GoneMachine[] {
    return [...this.#gone.values()];
  }

  goneMachine(id: string): GoneMachine | undefined {
    return this.#gone.get(id);
  }

  move(unit: string): UnitMove | undefined {
    return this.#moves.get(unit);
  }

  /** Of each machine that is gone, the latest last, while units that left it are pointed out. */
  failovers(): readonly Failover[] {
    const arrivals = new Map<string, (number | undefined)[]>();
    for (const { from, arrivedAt } of this.#moves.values()) {
      if (!this.#gone.has(from)) continue;
      const known = arrivals.get(from);
      if (known === undefined) arrivals.set(from, [arrivedAt]);
      else known.push(arrivedAt);
    }
    return this.gone.flatMap((machine) => {
      const all = arrivals.get(machine.id) ?? [];
      const arrived = all.filter((at) => at !== undefined);
      const doneAt = arrived.length === all.length ? Math.max(...arrived) : undefined;
      return all.length === 0 ? [] : [{ machine, units: all.length, arrived: arrived.length, doneAt }];
    });
  }

  left(unit: string, from: string, at: number): void {
    // A unit that waits between two machines has left but once.
    if (this.#moves.get(unit)?.arrivedAt === undefined && this.#moves.has(unit)) return;
    this.#moves.delete(unit);
    this.#moves.set(unit, { from, at, arrivedAt: undefined });
    dropOldest(this.#moves);
  }

  /** Says whether this ended a move. */
  arrived(unit: string, at: number): boolean {
    const move = this.#moves.get(unit);
    if (move === undefined || move.arrivedAt !== undefined) return false;
    this.#moves.set(unit, { ...move, arrivedAt: at });
    return true;
  }

  forget(unit: string): void {
    this.#moves.delete(unit);
  }

  machineGone(machine: GoneMachine): void {
    this.#gone.delete(machine.id);
    this.#gone.set(machine.id, machine);
    dropOldest(this.#gone);
  }

  machineBack(id: string): void {
    this.#gone.delete(id);
  }

  clear(): void {
    this.#moves.clear();
    this.#gone.clear();
  }

  /** Forgets what is old. Returns the units whose move was forgotten, and whether a machine was. */
  expire(now: number): { readonly units: readonly string[]; readonly machines: boolean } {
    const units: string[] = [];
    for (const [unit, { at, arrivedAt }] of this.#moves) {
      const until = arrivedAt === undefined ? at + openMoveMs : arrivedAt + arrivalMs;
      if (until > now) continue;
      this.#moves.delete(unit);
      units.push(unit);
    }
    let machines = false;
    for (const [id, { at }] of this.#gone) {
      if (at + goneMs > now) continue;
      this.#gone.delete(id);
      machines = true;
    }
    return { units, machines };
  }
}

function dropOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    if (map.size <= bound) return;
    map.delete(key);
  }
}
