import type { ClusterModel } from "./cluster-model.ts";
import { type Dirty, everywhere, type Hints } from "./dirty.ts";
import type { Draft } from "./draft.ts";
import { awaitedBy, obstacle, pushedBy } from "./obstacle.ts";
import { unreadable } from "./occupancy.ts";
import { bySeniority, insertSorted, type Seniority } from "./order.ts";
import { pickMachine } from "./pick-machine.ts";
import { type Machine, orderOf } from "./records.ts";
import { rescheduledPart } from "./reschedule.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** What came of placing. */
export interface Tried {
  /** They could not be placed when they were looked at; some may have been since. */
  readonly units: ReadonlySet<string>;
  /** What there was no room for: unit → the machines to try it on. */
  readonly left: ReadonlyMap<string, Hints>;
}

/**
 * Places unplaced units: always the one changed first of those that can be placed. Stops once it has looked at so many
 * machines.
 *
 * A unit that could not be placed is dropped until a later step helps it: the model marks whom a step helps,
 * and where, so that only those pairs are tried again.
 */
export function placePending(draft: Draft, dirty: Dirty, looks: number): Tried {
  const queue = new RetryQueue(draft.model);
  for (const unit of dirty.units.keys()) queue.add(unit, everywhere);
  const hints = machinesToTry(draft.model, dirty);
  if (hints !== undefined) for (const unit of draft.model.unplaced) queue.add(unit, hints);
  for (const [unit, hints] of dirty.retries) queue.add(unit, hints);
  if (dirty.fresh) retryReplacers(draft.model, queue);

  const units = new Set<string>();
  for (;;) {
    if (draft.dirt.retries.size > 0) {
      for (const [unit, hints] of draft.dirt.retries) queue.add(unit, hints);
      draft.dirt.retries.clear();
    }
    const next = draft.looks < looks ? queue.next() : undefined;
    if (next === undefined) return { units, left: queue.left() };
    const stepsBefore = draft.steps.length;
    place(draft, next.unit, next.hints);
    const placed = draft.steps.length > stepsBefore;
    if (!placed) units.add(next.unit.name);
    const pushed = draft.steps.length > stepsBefore + 1;
    // Whether a unit may be pushed off depends on every other machine: too far-reaching to index.
    if (pushed || (placed && draft.model.followers(next.unit.name).size > 0)) {
      retryReplacers(draft.model, queue);
    }
  }
}

/** Where every unplaced unit is to be tried; undefined: nowhere. */
function machinesToTry(model: ClusterModel, dirty: Dirty): Hints | undefined {
  const open = [...dirty.openings].filter((machineId) => model.isOpen(machineId));
  if (open.length === 0) return undefined;
  return 2 * open.length > model.loads.size ? everywhere : new Set(open);
}

/**
 * The machine a unit is bound to because it still has it loaded: `free` when none has, `waits` when it must be
 * given up there first. A machine not yet told to stop anything may keep what it has.
 */
export function boundTo(model: ClusterModel, unit: ReadableUnit): Machine | "free" | "waits" {
  const holders = model.holders(unit.name);
  const kept = keptFrom(model, unit);
  if (holders.length === 0 && kept.length === 0) return "free";
  const [holder = "", ...others] = new Set([...holders, ...kept]);
  const machine = model.machine(holder);
  if (others.length > 0 || machine === undefined || !model.mayKeep(machine, unit.name)) return "waits";
  return model.isOpen(holder) ? machine : "waits";
}

/** The machine that an exclusive unit may still run on, although nothing there says so. */
function keptFrom(model: ClusterModel, { name, requirements }: ReadableUnit): readonly string[] {
  if (requirements.exclusive === undefined) return [];
  const hold = model.exclusiveHold(name);
  if (hold === undefined) return [];
  // No machine has an empty id: it waits.
  return [hold === unreadable ? "" : hold.machineId];
}

function retryReplacers(model: ClusterModel, queue: RetryQueue): void {
  for (const unit of model.unplacedReplacers) queue.add(unit, everywhere);
}

function place(draft: Draft, unit: ReadableUnit, hints: Hints): void {
  const { model } = draft;
  if (draft.isMoving(unit.name)) return;
  const bound = boundTo(model, unit);
  if (bound === "waits") return;
  if (bound === "free") {
    const { machine, looks } = pickMachine(model, unit, hints);
    // A unit that is placed at first sight is no less work than a look at some ten machines.
    draft.looks += looks + 10;
    if (machine !== undefined) assignTo(draft, unit, machine, "least_loaded");
  } else if ((hints === everywhere || hints.has(bound.id)) && obstacle(model, unit, bound) === undefined) {
    assignTo(draft, unit, bound, "kept");
  }
}

function assignTo(draft: Draft, unit: ReadableUnit, machine: Machine, why: "least_loaded" | "kept"): void {
  const { model } = draft;
  const { name, target } = unit;
  if (target === "inactive") return;
  const load = model.load(machine.id);
  for (const pushed of pushedBy(model, unit, machine.id)) {
    draft.withdraw(machine.id, pushed, { kind: "replaced", unit: name });
  }
  draft.withdrawFollowers(machine.id, draft.takeSuspects(machine.id));
  const awaits = awaitedBy(model, unit, machine.id);
  draft.assign(
    unit,
    {
      machineId: machine.id,
      unit: name,
      ...orderOf(unit, target),
      awaits,
      ...model.restartOrder(machine.id, name),
      ...rescheduledPart(model, unit),
    },
    why === "kept" ? { kind: "kept" } : { kind: "least_loaded", load },
  );
}

/** Unplaced units to try, the one changed first in front; a unit is in it at most once. Their records do not change meanwhile. */
class RetryQueue {
  readonly #model: ClusterModel;
  readonly #hints = new Map<string, Hints>();
  /** Descending, so that the next one is taken from the end. */
  readonly #order: ReadableUnit[] = [];
  /** Until the first one is asked for they come in any order. */
  #sorted = false;

  constructor(model: ClusterModel) {
    this.#model = model;
  }

  add(name: string, hints: Hints): void {
    const unit = this.#model.unplaced.has(name) ? this.#model.readableUnit(name) : undefined;
    if (unit === undefined) return;
    const known = this.#hints.get(name);
    if (known === undefined) {
      this.#hints.set(name, hints);
      if (this.#sorted) insertSorted(this.#order, unit, descending);
      else this.#order.push(unit);
    } else if (known !== everywhere && known !== hints) {
      this.#hints.set(name, hints === everywhere ? everywhere : new Set([...known, ...hints]));
    }
  }

  left(): ReadonlyMap<string, Hints> {
    return this.#hints;
  }

  next(): { readonly unit: ReadableUnit; readonly hints: Hints } | undefined {
    if (!this.#sorted) this.#order.sort(descending);
    this.#sorted = true;
    for (;;) {
      const unit = this.#order.pop();
      if (unit === undefined) return undefined;
      const hints = this.#hints.get(unit.name);
      this.#hints.delete(unit.name);
      if (hints !== undefined) return { unit, hints };
    }
  }
}

function descending(left: Seniority, right: Seniority): number {
  return bySeniority(right, left);
}
