import { type ClusterView, splitStateKey, type ViewChange } from "../cache/cluster-view.ts";
import type { WatchDelta, WatchSnapshot } from "../contract/watch.ts";
import type { ApiMachine, ApiUnit, ApiUnitState } from "../contract/wire.ts";

/**
 * What one stream has been told, and what it has yet to be told.
 *
 * Only keys are remembered, never messages: however slow the receiver, a stream costs at most the names of
 * what exists, and any number of changes of one row become one.
 */
export class StreamPicture {
  /** Undefined: everything. */
  readonly #names: ReadonlySet<string> | undefined;
  readonly #units = new Set<string>();
  readonly #states = new Set<string>();
  readonly #machines = new Set<string>();
  /** With names: the machines told, those the named units are on. */
  #told: ReadonlySet<string> = new Set();

  constructor(names: ReadonlySet<string> | undefined) {
    this.#names = names;
  }

  note(change: ViewChange): void {
    for (const name of change.units) if (this.#follows(name)) this.#units.add(name);
    for (const key of change.states) if (this.#follows(splitStateKey(key).name)) this.#states.add(key);
    for (const id of change.machines)
      if (this.#names === undefined || this.#told.has(id)) this.#machines.add(id);
  }

  /** Everything there is; nothing is left to be told after it. */
  snapshot(view: ClusterView): WatchSnapshot {
    this.#forget();
    const units: ApiUnit[] = [];
    const states: ApiUnitState[] = [];
    const machines: ApiMachine[] = [];
    for (const name of this.#names === undefined ? keysOf(view.unitNames) : [...this.#names].sort()) {
      push(units, view.unit(name));
    }
    const stateKeys =
      this.#names === undefined
        ? keysOf(view.stateKeys)
        : [...this.#names].sort().flatMap((name) => view.statesOfUnit(name));
    for (const key of stateKeys) push(states, view.state(key));
    this.#told = this.#concerned(view);
    for (const id of this.#names === undefined ? keysOf(view.machineIds) : [...this.#told].sort()) {
      push(machines, view.machine(id));
    }
    return { type: "snapshot", revision: view.revision, units, states, machines };
  }

  /** What has changed since the last message; undefined when nothing has. */
  delta(view: ClusterView): WatchDelta | undefined {
    if (this.#names !== undefined) this.#noteMachines(view);
    if (this.#units.size + this.#states.size + this.#machines.size === 0) return undefined;
    const units = split(this.#units, (name) => view.unit(name), same);
    const states = split(this.#states, (key) => view.state(key), splitStateKey);
    const machines = split(this.#machines, (id) => this.#machine(view, id), same);
    this.#forget();
    return {
      type: "delta",
      revision: view.revision,
      ...(units === undefined ? {} : { units }),
      ...(states === undefined ? {} : { states }),
      ...(machines === undefined ? {} : { machines }),
    };
  }

  #follows(name: string): boolean {
    return this.#names === undefined || this.#names.has(name);
  }

  #noteMachines(view: ClusterView): void {
    const concerned = this.#concerned(view);
    for (const id of concerned) if (!this.#told.has(id)) this.#machines.add(id);
    for (const id of this.#told) if (!concerned.has(id)) this.#machines.add(id);
    this.#told = concerned;
  }

  #concerned(view: ClusterView): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const name of this.#names ?? []) {
      const machineID = view.unit(name)?.machineID;
      if (machineID !== undefined) ids.add(machineID);
      for (const key of view.statesOfUnit(name)) ids.add(splitStateKey(key).machineID);
    }
    return ids;
  }

  #machine(view: ClusterView, id: string): ApiMachine | undefined {
    return this.#names === undefined || this.#told.has(id) ? view.machine(id) : undefined;
  }

  #forget(): void {
    this.#units.clear();
    this.#states.clear();
    this.#machines.clear();
  }
}

function* keysOf(keys: ClusterView["unitNames"]): Generator<string> {
  for (let position = 0; ; position += 1) {
    const key = keys.at(position);
    if (key === undefined) return;
    yield key;
  }
}

function push<Row>(rows: Row[], row: Row | undefined): void {
  if (row !== undefined) rows.push(row);
}

function same(key: string): string {
  return key;
}

/** Rows that are there and names of those that are not; undefined when no key was given. */
function split<Row, Name>(
  keys: ReadonlySet<string>,
  row: (key: string) => Row | undefined,
  name: (key: string) => Name,
): { put: Row[]; removed: Name[] } | undefined {
  if (keys.size === 0) return undefined;
  const put: Row[] = [];
  const removed: Name[] = [];
  for (const key of [...keys].sort()) {
    const found = row(key);
    if (found === undefined) removed.push(name(key));
    else put.push(found);
  }
  return { put, removed };
}
