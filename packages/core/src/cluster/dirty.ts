import { Backlog } from "./backlog.ts";

/** Stands for all machines. */
export const everywhere = "everywhere" as const;

/** The machines to try a unit on. */
export type Hints = ReadonlySet<string> | typeof everywhere;

/**
 * What changed since the last plan, as the least that has to be looked at again.
 *
 * - `machines`: everything assigned to them, every global unit there
 * - `openings`: machines to try every unplaced unit on
 * - `units`: the unit wherever it is assigned; if it is global, every machine; if it is unplaced, all machines
 * - `suspects`: machine → units assigned there that may have to leave or to be updated
 * - `retries`: unit → the machines that may have become able for it; only for units that are to run
 * - `settles`: machines whose registration may have to be confirmed
 */
export class Dirty {
  readonly machines = new Set<string>();
  readonly openings = new Set<string>();
  readonly units = new Backlog<true>();
  readonly suspects = new Map<string, Set<string>>();
  readonly retries = new Backlog<Hints>();
  readonly settles = new Set<string>();
  /** Hints that only this one has, and may add to. */
  readonly #own = new WeakMap<ReadonlySet<string>, Set<string>>();
  /**
   * Something changed since this was last taken. What units that replace others may push off depends on all of the cluster:
   * they are tried again once for that, and not for what was only put back.
   */
  fresh = false;
  /** Nothing was left behind by a bounded take: registrations may be confirmed. */
  complete = true;

  get empty(): boolean {
    return (
      this.machines.size === 0 &&
      this.openings.size === 0 &&
      this.units.size === 0 &&
      this.suspects.size === 0 &&
      this.retries.size === 0 &&
      this.settles.size === 0
    );
  }

  machineChanged(machineId: string): void {
    this.fresh = true;
    this.machines.add(machineId);
    this.openings.add(machineId);
    this.settles.add(machineId);
  }

  suspect(machineId: string, unit: string): void {
    this.fresh = true;
    const units = this.suspects.get(machineId);
    if (units === undefined) this.suspects.set(machineId, new Set([unit]));
    else units.add(unit);
  }

  changed(unit: string): void {
    this.fresh = true;
    this.units.set(unit, true);
  }

  retry(unit: string, machineId: string | typeof everywhere): void {
    this.fresh = true;
    const known = this.retries.get(unit);
    if (known === everywhere) return;
    if (machineId === everywhere) this.retries.set(unit, everywhere);
    else if (known === undefined) this.retries.set(unit, this.#ownSet([machineId]));
    else if (this.#own.has(known)) this.#own.get(known)?.add(machineId);
    else this.retries.set(unit, this.#ownSet([...known, machineId]));
  }

  /** `hints` must not be changed any more: units may share them. */
  retryOn(unit: string, hints: Hints): void {
    const known = this.retries.get(unit);
    if (known === everywhere) return;
    const mixed = hints !== everywhere && known !== undefined;
    this.retries.set(unit, mixed ? this.#ownSet([...known, ...hints]) : hints);
  }

  #ownSet(machineIds: readonly string[]): ReadonlySet<string> {
    const machines = new Set(machineIds);
    this.#own.set(machines, machines);
    return machines;
  }
}

/**
 * Moves up to `limit` entries into a new Dirty. Causes go before their effects: machines and units before
 * retries, and confirmations only when all else has been taken.
 *
 * `inOrder` sorts what is taken, so that the choice does not depend on the order of the events.
 */
export function takeDirty(from: Dirty, limit: number, inOrder: (units: Iterable<string>) => string[]): Dirty {
  const taken = new Dirty();
  const { fresh } = from;
  from.fresh = false;
  let room = limit;
  for (const machineId of [...from.machines].sort()) {
    if (room <= 0) break;
    room -= 1;
    taken.machines.add(machineId);
    from.machines.delete(machineId);
  }
  for (const machineId of [...from.suspects.keys()].sort()) {
    if (room <= 0) break;
    const units = from.suspects.get(machineId) ?? new Set();
    room -= units.size;
    taken.suspects.set(machineId, units);
    from.suspects.delete(machineId);
  }
  for (const [unit] of from.units.take(room, inOrder)) taken.changed(unit);
  room -= taken.units.size;
  // Once for all machines, and for the units that are left then: a look at every unplaced unit takes long.
  if (from.machines.size + from.units.size === 0) {
    for (const machineId of from.openings) taken.openings.add(machineId);
    from.openings.clear();
  }
  for (const [unit, hints] of from.retries.take(room, inOrder)) taken.retryOn(unit, hints);
  const left =
    from.machines.size + from.openings.size + from.suspects.size + from.units.size + from.retries.size;
  taken.fresh = fresh;
  taken.complete = left === 0;
  if (taken.complete) {
    for (const machineId of from.settles) taken.settles.add(machineId);
    from.settles.clear();
  }
  return taken;
}
