import { Dirty, everywhere, takeDirty } from "./dirty.ts";
import type { LoadIndex } from "./load-index.ts";
import { MachineIndex } from "./machine-index.ts";
import type { Values } from "./multimap.ts";
import { Occupancy, type Unreadable, unreadable } from "./occupancy.ts";
import { bySeniority, compareText, sorted } from "./order.ts";
import type { Assignment, ExclusiveHold, Machine, Order, Settled, Spared, Unit } from "./records.ts";
import type { Reschedule } from "./reschedule.ts";
import { RestartIndex } from "./restart-index.ts";
import { sameForPlanning, sameIntent, sameOrder } from "./same-for-planning.ts";
import { Settlements } from "./settlements.ts";
import type { Undecided } from "./step.ts";
import { UnitIndex } from "./unit-index.ts";
import { isExacting, mayBeHelpedBy, type ReadableUnit } from "./unit-standing.ts";

/** What was applied while speculating: a state row, or an assignment in the place of a former one. */
interface Applied {
  readonly machineId: string;
  readonly unit: string;
  readonly former: Assignment | Unreadable | "row" | undefined;
}

/**
 * The cluster as the engine sees it: updated in place, record by record, and indexed for planning.
 *
 * Invariants:
 * - the indexes always agree with the records;
 * - after a plan has been carried out, every unplaced unit is not placeable on any machine unless that pair is
 *   marked in the dirty set. Each change therefore marks what it can help, at the moment it is made;
 * - nothing depends on the order in which Maps and Sets are filled: whoever decides sorts.
 *
 * An unreadable record counts as being there: the machine is present, the unit exists, the assignment holds. So does
 * a machine that is away and may come back.
 */
export class ClusterModel {
  /** Requests to restart units; what they order is part of the assignments. */
  readonly restarts = new RestartIndex((unit, machineId) => this.#restartChanged(unit, machineId));
  readonly #machines = new Map<string, Machine | Unreadable>();
  /** Those of the unreadable machines that are not there. */
  readonly #away = new Set<string>();
  readonly #settlements = new Settlements();
  readonly #machineIndex = new MachineIndex();
  readonly #units = new UnitIndex();
  readonly #occupancy = new Occupancy();
  readonly #reschedules = new Map<string, Reschedule>();
  readonly #exclusiveHolds = new Map<string, ExclusiveHold | Unreadable>();
  #dirty = new Dirty();
  #undo: Applied[] | undefined;

  // --- Questions -------------------------------------------------------------------------------------------

  /** The machine, when it is present and its record can be read. */
  machine(machineId: string): Machine | undefined {
    const machine = this.#machines.get(machineId);
    return machine === unreadable ? undefined : machine;
  }

  isPresent(machineId: string): boolean {
    return this.#machines.has(machineId);
  }

  /** Not there, but what it has stays with it. */
  isAway(machineId: string): boolean {
    return this.#away.has(machineId);
  }

  /** Machines present, whatever can be decided about them. */
  get machineCount(): number {
    return this.#machines.size;
  }

  machineIds(): string[] {
    return sorted(this.#machines.keys());
  }

  /** Present, readable, not leaving: units may be placed here. */
  isOpen(machineId: string): boolean {
    return this.#machineIndex.has(machineId);
  }

  /** The engine has told the machine's agent that this registration is taken into account. */
  isSettled(machine: Machine): boolean {
    return this.#settlements.registration(machine.id) === machine.registration;
  }

  /** What the machine's agent has been told to keep, whether or not it is assigned. */
  spared(machineId: string): Spared {
    return this.#settlements.spared(machineId);
  }

  /** Nothing tells the machine's agent to stop the unit, should it have it and not be assigned it. */
  mayKeep(machine: Machine, unit: string): boolean {
    return !this.isSettled(machine) || this.#settlements.spares(machine.id, unit);
  }

  /** The open machines by load. */
  get loads(): LoadIndex {
    return this.#machineIndex.loads;
  }

  load(machineId: string): number {
    return this.#occupancy.assignedOn(machineId).size;
  }

  /** Open machines with this metadata, by load. */
  loadsWith(key: string, value: string): LoadIndex {
    return this.#machineIndex.loadsWith(key, value);
  }

  /** Open machines whose id begins like this one. */
  withIdLike(machineId: string): Values {
    return this.#machineIndex.withIdLike(machineId);
  }

  unit(name: string): Unit | Unreadable | undefined {
    return this.#units.record(name);
  }

  /** The unit, when it and its requirements can be read. */
  readableUnit(name: string): ReadableUnit | undefined {
    return this.#units.readable(name);
  }

  unitNames(): string[] {
    return sorted(this.#units.names());
  }

  /** Global units that are to run. */
  get globals(): ReadonlySet<string> {
    return this.#units.globals;
  }

  /** Units that are to run and have no assignment. */
  get unplaced(): ReadonlySet<string> {
    return this.#units.unplaced.all;
  }

  /** Those of the unplaced units that replace others. */
  get unplacedReplacers(): ReadonlySet<string> {
    return this.#units.unplaced.replacing;
  }

  /** Units that may be meant to run, and cannot be read. */
  get undecided(): ReadonlySet<string> {
    return this.#units.undecided;
  }

  /** Units whose MachineOf names this one. */
  followers(unit: string): Values {
    return this.#units.followers(unit);
  }

  assignment(machineId: string, unit: string): Assignment | Unreadable | undefined {
    return this.#occupancy.assignment(machineId, unit);
  }

  /** The part of an assignment that orders a restart; empty while none is under way for the unit there. */
  restartOrder(machineId: string, unit: string): { readonly restart?: number } {
    const restart = this.restarts.ordered(machineId, unit, this.globals.has(unit));
    return restart === undefined ? {} : { restart };
  }

  /** The unit is assigned to the machine with just this order. */
  isOrdered(machineId: string, unit: string, order: Order): boolean {
    const assignment = this.assignment(machineId, unit);
    return assignment !== undefined && assignment !== unreadable && sameOrder(assignment, order);
  }

  isAssigned(machineId: string, unit: string): boolean {
    return this.#occupancy.assignedOn(machineId).has(unit);
  }

  assignedOn(machineId: string): ReadonlyMap<string, Assignment | Unreadable> {
    return this.#occupancy.assignedOn(machineId);
  }

  /** Some assignment orders this unit file. */
  isFileOrdered(hash: string): boolean {
    return this.#occupancy.isFileOrdered(hash);
  }

  /** Some assignment cannot be read: it may order any unit file. */
  get hasUnreadableAssignment(): boolean {
    return this.#occupancy.hasUnreadableAssignment;
  }

  machinesOf(unit: string): Values {
    return this.#occupancy.machinesOf(unit);
  }

  /** The machine has the unit loaded without being told to: it is still unloading it. */
  isHeld(machineId: string, unit: string): boolean {
    return this.#occupancy.hasRow(machineId, unit) && !this.isAssigned(machineId, unit);
  }

  /** The present machines that hold the unit, in order of id. */
  holders(unit: string): string[] {
    const machines: string[] = [];
    for (const machineId of this.#occupancy.rowMachines(unit)) {
      if (this.isPresent(machineId) && this.isHeld(machineId, unit)) machines.push(machineId);
    }
    return machines.sort(compareText);
  }

  /** The machine has a state row for the unit. */
  hasState(machineId: string, unit: string): boolean {
    return this.#occupancy.hasRow(machineId, unit);
  }

  /** The moves of the unit off machines on which it failed. */
  reschedule(unit: string): Reschedule | undefined {
    return this.#reschedules.get(unit);
  }

  /** Where the unit, if it is exclusive, may be running. */
  exclusiveHold(unit: string): ExclusiveHold | Unreadable | undefined {
    return this.#exclusiveHolds.get(unit);
  }

  /** The units the machine holds, in order of name. */
  heldOn(machineId: string): string[] {
    const assigned = this.assignedOn(machineId);
    return sorted([...this.#occupancy.rowsOn(machineId)].filter((unit) => !assigned.has(unit)));
  }

  /** Units assigned to or held by the machine, in no particular order. */
  *occupants(machineId: string): Generator<string> {
    const assigned = this.#occupancy.assignedOn(machineId);
    yield* assigned.keys();
    for (const unit of this.#occupancy.rowsOn(machineId)) {
      if (!assigned.has(unit)) yield unit;
    }
  }

  /** Those of the occupants whose Conflicts or Replaces keep others away, in no particular order. */
  exactingOccupants(machineId: string): Values {
    return this.#occupancy.exactingOn(machineId);
  }

  // --- Changes ---------------------------------------------------------------------------------------------

  /** The machine is present. Its record without effect on planning (the address) marks nothing. */
  setMachine(machine: Machine): void {
    const former = this.#machines.get(machine.id);
    this.#closeMachine(former);
    this.#away.delete(machine.id);
    this.#machines.set(machine.id, machine);
    if (!machine.leaving) this.#machineIndex.add(machine, this.load(machine.id));
    if (former !== undefined && former !== unreadable && sameForPlanning(former, machine)) return;
    this.#dirty.machineChanged(machine.id);
  }

  /** The machine is present and nothing can be decided about it. */
  setMachineUnreadable(machineId: string): void {
    this.#closeMachine(this.#machines.get(machineId));
    this.#away.delete(machineId);
    this.#machines.set(machineId, unreadable);
    this.#dirty.machineChanged(machineId);
  }

  /** The machine is not there, and what it has stays with it: it may come back. */
  setMachineAway(machineId: string): void {
    this.setMachineUnreadable(machineId);
    this.#away.add(machineId);
  }

  /** The machine's lease is over: it runs nothing that counts any more. */
  removeMachine(machineId: string): void {
    const former = this.#machines.get(machineId);
    if (former === undefined) return;
    this.#closeMachine(former);
    this.#away.delete(machineId);
    this.#machines.delete(machineId);
    this.#dirty.machineChanged(machineId);
    for (const unit of this.#occupancy.rowsOn(machineId)) this.#retry(unit, everywhere);
  }

  setUnit(unit: Unit): void {
    const former = this.#units.record(unit.name);
    if (former !== undefined && former !== unreadable && sameIntent(former, unit)) return;
    this.#changeUnit(unit.name, unit);
  }

  setUnitUnreadable(name: string): void {
    if (this.#units.record(name) !== unreadable) this.#changeUnit(name, unreadable);
  }

  removeUnit(name: string): void {
    if (this.#units.record(name) !== undefined) this.#changeUnit(name, undefined);
  }

  /** `decided`: by the plan that is being made, so that it need not be looked at once more whether the unit may be there. */
  setAssignment(assignment: Assignment, { decided = false } = {}): void {
    const { machineId, unit } = assignment;
    const former = this.assignment(machineId, unit);
    if (former !== undefined && former !== unreadable && sameOrder(former, assignment)) return;
    this.#recordAssignment(machineId, unit, former, assignment, decided ? machineId : undefined);
    // It was made of the unit as it is.
    if (decided) return;
    const known = this.#units.record(unit);
    if (known === undefined || known === unreadable || known.hash !== assignment.hash) {
      // Planned for a unit that has changed since: what the plan took to be in the way may not be.
      this.#retryAllOn(machineId);
    }
  }

  setAssignmentUnreadable(machineId: string, unit: string): void {
    this.#recordAssignment(machineId, unit, this.assignment(machineId, unit), unreadable);
  }

  removeAssignment(machineId: string, unit: string): void {
    const former = this.assignment(machineId, unit);
    if (former === undefined) return;
    this.#writeAssignment(machineId, unit, former, undefined);
    for (const follower of this.#units.followers(unit)) {
      if (this.isAssigned(machineId, follower)) this.#dirty.suspect(machineId, follower);
    }
    // A unit assigned twice is judged by all its assignments.
    for (const other of this.machinesOf(unit)) this.#dirty.suspect(other, unit);
    this.#retry(unit, this.#units.globals.has(unit) ? machineId : everywhere);
    if (!this.#occupancy.hasRow(machineId, unit)) this.#freed(machineId, unit, this.readableUnit(unit));
  }

  /** The machine's agent publishes a state row for the unit (readable or not). */
  setState(machineId: string, unit: string): void {
    if (this.#occupancy.hasRow(machineId, unit)) return;
    this.#occupancy.setRow(machineId, unit, true, this.#isExacting(unit));
    this.#undo?.push({ machineId, unit, former: "row" });
  }

  removeState(machineId: string, unit: string): void {
    if (!this.#occupancy.hasRow(machineId, unit)) return;
    this.#occupancy.setRow(machineId, unit, false, this.#isExacting(unit));
    if (this.isAssigned(machineId, unit)) return;
    this.#retry(unit, this.#units.globals.has(unit) ? machineId : everywhere);
    this.#freed(machineId, unit, this.readableUnit(unit));
  }

  setReschedule(unit: string, reschedule: Reschedule | undefined): void {
    if (reschedule === undefined) this.#reschedules.delete(unit);
    else this.#reschedules.set(unit, reschedule);
    for (const machineId of this.machinesOf(unit)) this.#dirty.suspect(machineId, unit);
    this.#retry(unit, everywhere);
  }

  /** Where the unit may be running; undefined when it is nowhere. */
  setExclusiveHold(unit: string, hold: ExclusiveHold | undefined): void {
    if (hold === undefined) this.#exclusiveHolds.delete(unit);
    else this.#exclusiveHolds.set(unit, hold);
    this.#exclusiveHoldChanged(unit);
  }

  /** There is no telling where the unit may be running. */
  setExclusiveHoldUnreadable(unit: string): void {
    this.#exclusiveHolds.set(unit, unreadable);
    this.#exclusiveHoldChanged(unit);
  }

  /** What the engine has told the machine; undefined when it cannot be read. */
  setSettled(machineId: string, settled: Settled | undefined): void {
    if (!this.#settlements.set(machineId, settled)) return;
    // Some of the units that it names may have come to be readable before it was written.
    if (this.spared(machineId).length > 0) this.#dirty.settles.add(machineId);
    const machine = this.machine(machineId);
    // An unsettled machine may be given back what it holds.
    if (machine !== undefined && !this.isSettled(machine)) this.#dirty.machineChanged(machineId);
  }

  // --- Dirt ------------------------------------------------------------------------------------------------

  get isDirty(): boolean {
    return !this.#dirty.empty;
  }

  /** Takes what changed, up to `limit` entries; the rest stays for the next round. */
  takeDirty(limit = Number.POSITIVE_INFINITY): Dirty {
    return takeDirty(this.#dirty, limit, (names) => this.bySeniority(names));
  }

  /** For a model that nothing is planned with: what changes there is of no further interest. */
  forgetDirty(): void {
    this.#dirty = new Dirty();
  }

  /** What a plan had no room for, for the next one. */
  putBack({ units, settles }: Undecided): void {
    for (const [unit, hints] of units) this.#dirty.retryOn(unit, hints);
    for (const machineId of settles) this.#dirty.settles.add(machineId);
  }

  /** Everything is to be looked at again: after a failed commit, and for audits. */
  markAllDirty(): void {
    for (const machineId of this.#machines.keys()) this.#dirty.machineChanged(machineId);
    for (const machineId of this.#occupancy.machinesWithAssignments()) this.#dirty.machines.add(machineId);
    for (const unit of this.#units.names()) this.#dirty.changed(unit);
    for (const unit of this.#occupancy.assignedUnits()) this.#dirty.changed(unit);
  }

  /** Units by (changedAt, name); those without a readable record come first, by name. */
  bySeniority(names: Iterable<string>): string[] {
    const seniority = (name: string) => {
      const unit = this.#units.record(name);
      return { name, changedAt: unit === undefined || unit === unreadable ? 0 : unit.changedAt };
    };
    return [...names]
      .map(seniority)
      .sort(bySeniority)
      .map(({ name }) => name);
  }

  // --- Speculation -----------------------------------------------------------------------------------------

  /**
   * Lets `decide` apply steps to the model itself, then takes them back unless `keep` says otherwise. `decide` is given the
   * dirt its own steps make. Only setAssignment, removeAssignment and setState may be called in it.
   */
  speculate<Outcome>(decide: (dirt: Dirty) => Outcome, keep: (outcome: Outcome) => boolean): Outcome {
    const dirty = this.#dirty;
    const dirt = new Dirty();
    let undo: Applied[] = [];
    this.#dirty = dirt;
    this.#undo = undo;
    try {
      const outcome = decide(dirt);
      if (keep(outcome)) {
        undo = [];
        for (const [machineId, units] of dirt.suspects)
          for (const unit of units) dirty.suspect(machineId, unit);
      }
      return outcome;
    } finally {
      this.#undo = undefined;
      for (const applied of undo.reverse()) this.#takeBack(applied);
      this.#dirty = dirty;
    }
  }

  #takeBack({ machineId, unit, former }: Applied): void {
    if (former === "row") this.#occupancy.setRow(machineId, unit, false, this.#isExacting(unit));
    else this.#applyAssignment(machineId, unit, former);
  }

  // --- Inside ----------------------------------------------------------------------------------------------

  #closeMachine(machine: Machine | Unreadable | undefined): void {
    if (machine !== undefined && machine !== unreadable) this.#machineIndex.remove(machine);
  }

  #changeUnit(name: string, unit: Unit | Unreadable | undefined): void {
    const former = this.#units.readable(name);
    const wasUndecided = this.undecided.has(name);
    this.#units.set(name, unit, this.machinesOf(name).size > 0);
    const wasExacting = former !== undefined && isExacting(former);
    const exacting = this.#isExacting(name);
    if (exacting !== wasExacting) this.#occupancy.setExacting(name, exacting);
    this.#dirty.changed(name);
    if (wasUndecided && !this.undecided.has(name)) {
      for (const machineId of this.#settlements.sparing()) {
        if (this.#settlements.spares(machineId, name)) this.#dirty.settles.add(machineId);
      }
    }
    if (former === undefined) return;
    for (const machineId of this.machinesOf(name)) this.#freed(machineId, name, former);
    for (const machineId of this.#occupancy.rowMachines(name)) this.#freed(machineId, name, former);
  }

  /** Whatever its target: a unit that is being stopped still keeps others away. */
  #isExacting(unit: string): boolean {
    const known = this.readableUnit(unit);
    return known !== undefined && isExacting(known);
  }

  #exclusiveHoldChanged(unit: string): void {
    for (const machineId of this.machinesOf(unit)) this.#dirty.suspect(machineId, unit);
    this.#retry(unit, everywhere);
  }

  #restartChanged(unit: string, machineId: string | undefined): void {
    const global = machineId !== undefined && this.globals.has(unit);
    for (const each of global ? [machineId] : this.machinesOf(unit)) this.#dirty.suspect(each, unit);
  }

  #recordAssignment(
    machineId: string,
    unit: string,
    former: Assignment | Unreadable | undefined,
    entry: Assignment | Unreadable,
    decidedFor?: string,
  ): void {
    this.#writeAssignment(machineId, unit, former, entry);
    // This machine is one of them now.
    const machines = this.machinesOf(unit);
    if (machines.size > 1 || decidedFor === undefined) {
      for (const other of machines) if (other !== decidedFor) this.#dirty.suspect(other, unit);
    }
    for (const awaiting of this.#occupancy.awaiting(machineId, unit))
      this.#dirty.suspect(machineId, awaiting);
    for (const follower of this.#units.followers(unit)) this.#retry(follower, machineId);
  }

  #writeAssignment(
    machineId: string,
    unit: string,
    former: Assignment | Unreadable | undefined,
    entry: Assignment | Unreadable | undefined,
  ): void {
    this.#undo?.push({ machineId, unit, former });
    this.#applyAssignment(machineId, unit, entry);
  }

  #applyAssignment(machineId: string, unit: string, entry: Assignment | Unreadable | undefined): void {
    this.#occupancy.setAssignment(machineId, unit, entry, this.#isExacting(unit));
    this.#machineIndex.setLoad(machineId, this.load(machineId));
    this.#units.setPlaced(unit, entry !== undefined || this.machinesOf(unit).size > 0);
  }

  #retry(unit: string, machineId: string): void {
    if (this.unplaced.has(unit) || this.globals.has(unit)) this.#dirty.retry(unit, machineId);
  }

  #retryAllOn(machineId: string): void {
    if (!this.isOpen(machineId)) return;
    for (const unit of this.unplaced) this.#dirty.retry(unit, machineId);
    for (const unit of this.globals) this.#dirty.retry(unit, machineId);
  }

  /** `occupant`, with the requirements it had, is no longer in the way on the machine. */
  #freed(machineId: string, name: string, occupant: ReadableUnit | undefined): void {
    if (!this.isOpen(machineId)) return;
    const exacting = occupant !== undefined && isExacting(occupant);
    const { all, conflicting } = this.#units.unplaced;
    for (const unit of exacting ? all : conflicting) this.#retryIfHelped(unit, machineId, name, occupant);
    for (const unit of this.globals) this.#retryIfHelped(unit, machineId, name, occupant);
  }

  #retryIfHelped(
    unit: string,
    machineId: string,
    occupantName: string,
    occupant: ReadableUnit | undefined,
  ): void {
    const waiting = this.readableUnit(unit);
    if (waiting !== undefined && mayBeHelpedBy(waiting, occupantName, occupant)) {
      this.#dirty.retry(unit, machineId);
    }
  }
}
