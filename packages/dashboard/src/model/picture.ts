import type {
  ApiEvent,
  ApiMachine,
  ApiUnitState,
  UnitSummary,
  WatchDelta,
  WatchSnapshot,
} from "@fleet/api/contract";
import { History, type StateChange } from "./history.ts";
import { type Failover, type GoneMachine, Moves, type UnitMove } from "./moves.ts";
import { SortedNames } from "./sorted-names.ts";
import { type UnitRow, unitRow, words } from "./unit-row.ts";

const none: ReadonlySet<string> = new Set();
const noStates: ReadonlyMap<string, ApiUnitState> = new Map();

/**
 * The cluster as the stream tells it, indexed for looking at.
 *
 * Invariants:
 * - after each message it is the cluster at `revision`;
 * - `version` grows with every change that can be seen, so that what is worked out from the picture can be kept until then;
 * - a snapshot of the same cluster is taken as the changes that lead to it: what happened while the stream was cut off is
 *   seen as a move or a loss, too.
 */
export class Picture {
  readonly #units = new Map<string, UnitSummary>();
  readonly #names = new SortedNames();
  /** By unit, then machine. */
  readonly #states = new Map<string, Map<string, ApiUnitState>>();
  readonly #machines = new Map<string, ApiMachine>();
  readonly #machineIds = new SortedNames();
  readonly #unitsByMachine = new Map<string, Set<string>>();
  /** Rows made so far; one that is out of date is not in it. */
  readonly #rows = new Map<string, UnitRow>();
  readonly #changedAt = new Map<string, number>();
  readonly #moves = new Moves();
  readonly #history = new History();
  #version = 0;
  #revision = 0;
  #cluster: string | undefined;
  #filled = false;

  get version(): number {
    return this.#version;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Where a stream may be resumed; undefined: it must begin anew. */
  get position(): { readonly revision: number; readonly cluster: string } | undefined {
    return this.#filled && this.#cluster !== undefined
      ? { revision: this.#revision, cluster: this.#cluster }
      : undefined;
  }

  /** Whether there is anything to be seen. */
  get filled(): boolean {
    return this.#filled;
  }

  /** Names of all units, in order. */
  get unitNames(): readonly string[] {
    return this.#names.all;
  }

  /** Ids of the machines present, in order. */
  get machineIds(): readonly string[] {
    return this.#machineIds.all;
  }

  get events(): readonly ApiEvent[] {
    return this.#history.events;
  }

  /** Machines that went a short while ago, the latest last. */
  get gone(): readonly GoneMachine[] {
    return this.#moves.gone;
  }

  /** Of each machine that is gone how far its units have got, the latest last. */
  failovers(): readonly Failover[] {
    return this.#moves.failovers();
  }

  machine(id: string): ApiMachine | undefined {
    return this.#machines.get(id);
  }

  goneMachine(id: string): GoneMachine | undefined {
    return this.#moves.goneMachine(id);
  }

  /** Units placed on a machine, global ones and such as it still reports not among them. */
  unitsOn(machineID: string): ReadonlySet<string> {
    return this.#unitsByMachine.get(machineID) ?? none;
  }

  unit(name: string): UnitSummary | undefined {
    return this.#units.get(name);
  }

  /** What machines report of a unit, by id of the machine. */
  statesOf(name: string): ReadonlyMap<string, ApiUnitState> {
    return this.#states.get(name) ?? noStates;
  }

  changesOf(name: string): readonly StateChange[] {
    return this.#history.changesOf(name);
  }

  row(name: string): UnitRow | undefined {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const unit = this.#units.get(name);
    if (unit === undefined) return undefined;
    const row = unitRow({
      unit,
      states: [...this.statesOf(name).values()],
      move: this.#moves.move(name),
      changedAt: this.#changedAt.get(name) ?? 0,
      isPresent: (id) => this.#machines.has(id),
    });
    this.#rows.set(name, row);
    return row;
  }

  /** @param now milliseconds since the epoch */
  apply(message: WatchSnapshot | WatchDelta, now: number): void {
    if (message.type === "snapshot") this.#applySnapshot(message, now);
    else this.#applyDelta(message, now);
    this.#revision = message.revision;
    this.#filled = true;
    this.#version += 1;
  }

  /** Forgets moves and losses that are old. To be called now and then. */
  expire(now: number): void {
    const { units, machines } = this.#moves.expire(now);
    for (const name of units) this.#rows.delete(name);
    if (units.length > 0 || machines) this.#version += 1;
  }

  #applySnapshot(snapshot: WatchSnapshot, now: number): void {
    if (this.#filled && snapshot.cluster !== this.#cluster) this.#clear();
    this.#cluster = snapshot.cluster;
    const units = snapshot.summaries ?? [];
    const unitNames = new Set(units.map(({ name }) => name));
    const stateKeys = new Set(snapshot.states.map(({ name, machineID }) => `${name}\n${machineID}`));
    const machineIds = new Set(snapshot.machines.map(({ id }) => id));
    const staleStates = [...this.#states.values()]
      .flatMap((ofUnit) => [...ofUnit.values()])
      .filter(({ name, machineID }) => !stateKeys.has(`${name}\n${machineID}`));
    this.#applyDelta(
      {
        type: "delta",
        revision: snapshot.revision,
        machines: {
          put: snapshot.machines,
          removed: this.machineIds.filter((id) => !machineIds.has(id)),
        },
        summaries: { put: units, removed: this.unitNames.filter((name) => !unitNames.has(name)) },
        states: { put: snapshot.states, removed: staleStates },
        events: snapshot.events ?? [],
      },
      now,
    );
  }

  #applyDelta({ machines, summaries, states, events }: WatchDelta, now: number): void {
    // Events first: they may say how a machine went. Machines before units, so that their loss is seen as such.
    if (events !== undefined) this.#history.addEvents(events);
    if (machines !== undefined) this.#changeMachines(machines.put, machines.removed, now);
    if (summaries !== undefined) this.#changeUnits(summaries.put, summaries.removed, now);
    for (const { name, machineID } of states?.removed ?? [])
      this.#changeState(name, machineID, undefined, now);
    for (const state of states?.put ?? []) this.#changeState(state.name, state.machineID, state, now);
  }

  #changeMachines(put: readonly ApiMachine[], removed: readonly string[], now: number): void {
    for (const id of removed) {
      const machine = this.#machines.get(id);
      if (machine === undefined) continue;
      this.#machines.delete(id);
      const units = this.unitsOn(id);
      const { primaryIP, metadata = {} } = machine;
      this.#moves.machineGone({ id, primaryIP, metadata, at: now, units: units.size });
      for (const name of units) this.#left(name, id, now);
    }
    for (const machine of put) {
      const isBack = !this.#machines.has(machine.id);
      this.#machines.set(machine.id, machine);
      if (!isBack) continue;
      this.#moves.machineBack(machine.id);
      for (const name of this.unitsOn(machine.id)) {
        this.#touch(name, now);
        this.#noteArrival(name, now);
      }
    }
    this.#machineIds.change(
      put.map(({ id }) => id),
      removed,
    );
  }

  #changeUnits(put: readonly UnitSummary[], removed: readonly string[], now: number): void {
    for (const name of removed) {
      this.#place(name, this.#units.get(name)?.machineID, undefined);
      this.#units.delete(name);
      this.#rows.delete(name);
      this.#changedAt.delete(name);
      this.#moves.forget(name);
    }
    for (const unit of put) {
      const { name, machineID } = unit;
      const before = this.#units.get(name);
      this.#units.set(name, unit);
      if (this.#filled && before !== undefined && isSame(before, unit)) continue;
      this.#place(name, before?.machineID, machineID);
      if (unit.desiredState === "inactive") this.#moves.forget(name);
      else if (before?.machineID !== undefined && before.machineID !== machineID) {
        this.#left(name, before.machineID, now);
      }
      this.#touch(name, now);
      this.#noteArrival(name, now);
    }
    this.#names.change(
      put.map(({ name }) => name),
      removed,
    );
  }

  #changeState(name: string, machineID: string, state: ApiUnitState | undefined, now: number): void {
    const ofUnit = this.#states.get(name) ?? new Map<string, ApiUnitState>();
    const before = ofUnit.get(machineID);
    if (state === undefined) ofUnit.delete(machineID);
    else ofUnit.set(machineID, state);
    if (ofUnit.size === 0) this.#states.delete(name);
    else this.#states.set(name, ofUnit);
    const from = before && words(before);
    const to = state && words(state);
    if (this.#filled && from === to && before?.problem === state?.problem) return;
    if (this.#filled) this.#history.addChange({ at: now, unit: name, machineID, from, to });
    this.#touch(name, now);
    this.#noteArrival(name, now);
  }

  /** A unit that has left a machine arrives when it does on another what is wanted of it. One that is back is on no move. */
  #noteArrival(name: string, now: number): void {
    const move: UnitMove | undefined = this.#moves.move(name);
    const unit = this.#units.get(name);
    if (move === undefined || unit?.machineID === undefined) return;
    if (unit.machineID === move.from) {
      if (!this.#machines.has(move.from)) return;
      this.#moves.forget(name);
      this.#rows.delete(name);
      return;
    }
    const state = this.statesOf(name).get(unit.machineID);
    if (state === undefined) return;
    if (state.systemdActiveState === "active" || unit.desiredState === "loaded") {
      this.#moves.arrived(name, now);
      this.#rows.delete(name);
    }
  }

  #left(name: string, from: string, now: number): void {
    if (!this.#filled || this.#units.get(name)?.desiredState === "inactive") return;
    this.#moves.left(name, from, now);
    this.#touch(name, now);
  }

  #place(name: string, before: string | undefined, after: string | undefined): void {
    if (before === after) return;
    if (before !== undefined) {
      const there = this.#unitsByMachine.get(before);
      there?.delete(name);
      if (there?.size === 0) this.#unitsByMachine.delete(before);
    }
    if (after === undefined) return;
    const there = this.#unitsByMachine.get(after);
    if (there === undefined) this.#unitsByMachine.set(after, new Set([name]));
    else there.add(name);
  }

  #touch(name: string, now: number): void {
    this.#rows.delete(name);
    // Of what was there when the page was opened nothing has been seen to change.
    if (this.#filled) this.#changedAt.set(name, now);
  }

  #clear(): void {
    for (const map of [this.#units, this.#states, this.#machines, this.#unitsByMachine]) map.clear();
    this.#names.change([], this.unitNames);
    this.#machineIds.change([], this.machineIds);
    this.#rows.clear();
    this.#changedAt.clear();
    this.#moves.clear();
    this.#history.clear();
    this.#filled = false;
  }
}

function isSame(one: UnitSummary, other: UnitSummary): boolean {
  return (
    one.machineID === other.machineID &&
    one.desiredState === other.desiredState &&
    one.currentState === other.currentState &&
    one.hash === other.hash &&
    one.global === other.global &&
    one.description === other.description
  );
}
