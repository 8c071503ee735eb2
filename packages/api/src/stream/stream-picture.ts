import type { ClusterView } from "../cache/cluster-view.ts";
import { splitStateKey, type ViewChange } from "../cache/view-change.ts";
import type { ApiEvent } from "../contract/events.ts";
import type { WatchDelta, WatchSnapshot } from "../contract/watch.ts";
import type { ApiMachine } from "../contract/wire.ts";
import type { StreamFilter } from "./stream-filter.ts";

/** Events of a snapshot, the latest. */
const snapshotEvents = 200;

/**
 * What one stream has been told, and what it has yet to be told.
 *
 * Only keys are remembered, never messages: however slow the receiver, a stream costs at most the names of
 * what exists, and any number of changes of one row become one. Events are each told; of those the registry no longer has,
 * it says that they are lost.
 */
export class StreamPicture {
  readonly #filter: StreamFilter;
  readonly #units = new Set<string>();
  readonly #states = new Set<string>();
  readonly #machines = new Set<string>();
  /** Ids of records. */
  readonly #events = new Set<string>();
  #losses = false;
  /** With names: the machines told, those the named units are on. */
  #told: ReadonlySet<string> = new Set();

  constructor(filter: StreamFilter) {
    this.#filter = filter;
  }

  note(change: ViewChange): void {
    const { names, kinds } = this.#filter;
    if (kinds.has("units")) for (const name of change.units) if (this.#follows(name)) this.#units.add(name);
    if (kinds.has("states")) {
      for (const key of change.states) if (this.#follows(splitStateKey(key).name)) this.#states.add(key);
    }
    if (kinds.has("machines")) {
      for (const id of change.machines) if (names === undefined || this.#told.has(id)) this.#machines.add(id);
    }
    if (kinds.has("events")) for (const id of change.events) this.#events.add(id);
    if (change.losses && this.#tellsLosses) this.#losses = true;
  }

  /**
   * The receiver has a picture of an earlier revision, and this has changed since. Which machines its units were on then is not
   * known: it is told of those they are on, and that it has none of the others.
   */
  resume(view: ClusterView, missed: ViewChange): void {
    const { names, kinds } = this.#filter;
    this.note(missed);
    if (names === undefined || !kinds.has("machines")) return;
    this.#told = this.#concerned(view);
    for (const ids of [this.#told, keysOf(view.machineIds), missed.machines]) {
      for (const id of ids) this.#machines.add(id);
    }
  }

  /** Whether events that are to be told are gone: all that can be told then is a snapshot. */
  hasLost(view: ClusterView): boolean {
    for (const id of this.#events) if (view.events.of(id) === undefined) return true;
    return false;
  }

  /** Nothing has been noted since the last message. */
  get isTold(): boolean {
    const rows = this.#units.size + this.#states.size + this.#machines.size + this.#events.size;
    return rows === 0 && !this.#losses;
  }

  /** Everything there is; nothing is left to be told after it. */
  snapshot(view: ClusterView): Omit<WatchSnapshot, "cluster"> {
    this.forget();
    const { names, kinds, summaries } = this.#filter;
    const sorted = names === undefined ? undefined : [...names].sort();
    const unitNames = kinds.has("units") ? (sorted ?? keysOf(view.unitNames)) : [];
    const stateKeys = sorted?.flatMap((name) => view.statesOfUnit(name)) ?? keysOf(view.stateKeys);
    if (kinds.has("machines")) this.#told = this.#concerned(view);
    const machineIds = names === undefined ? keysOf(view.machineIds) : [...this.#told].sort();
    const told = summaries ? { units: [], summaries: rowsOf(unitNames, (name) => view.summary(name)) } : {};
    return {
      type: "snapshot",
      revision: view.revision,
      units: summaries ? [] : rowsOf(unitNames, (name) => view.unit(name)),
      ...told,
      states: kinds.has("states") ? rowsOf(stateKeys, (key) => view.state(key)) : [],
      machines: kinds.has("machines") ? rowsOf(machineIds, (id) => view.machine(id)) : [],
      ...(kinds.has("events") ? { events: this.#latestEvents(view) } : {}),
      ...(this.#tellsLosses && view.losses().massLoss !== undefined ? { losses: view.losses() } : {}),
    };
  }

  /** What has changed since the last message; undefined when nothing has. Only while `hasLost` says no. */
  delta(view: ClusterView): WatchDelta | undefined {
    const { names, kinds, summaries } = this.#filter;
    if (names !== undefined && kinds.has("machines")) this.#noteMachines(view);
    const events = this.#freshEvents(view);
    const rows = this.#units.size + this.#states.size + this.#machines.size + events.length;
    const changed = rows > 0 || this.#losses;
    const delta = {
      type: "delta" as const,
      revision: view.revision,
      ...(summaries
        ? part(
            "summaries",
            split(this.#units, (name) => view.summary(name), same),
          )
        : part(
            "units",
            split(this.#units, (name) => view.unit(name), same),
          )),
      ...part(
        "states",
        split(this.#states, (key) => view.state(key), splitStateKey),
      ),
      ...part(
        "machines",
        split(this.#machines, (id) => this.#machine(view, id), same),
      ),
      ...part("events", events.length === 0 ? undefined : events),
      ...part("losses", this.#losses ? view.losses() : undefined),
    };
    this.forget();
    return changed ? delta : undefined;
  }

  /** They are about all machines. */
  get #tellsLosses(): boolean {
    return this.#filter.names === undefined && this.#filter.kinds.has("machines");
  }

  #follows(name: string): boolean {
    return this.#filter.names === undefined || this.#filter.names.has(name);
  }

  #noteMachines(view: ClusterView): void {
    const concerned = this.#concerned(view);
    for (const id of concerned) if (!this.#told.has(id)) this.#machines.add(id);
    for (const id of this.#told) if (!concerned.has(id)) this.#machines.add(id);
    this.#told = concerned;
  }

  #concerned(view: ClusterView): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const name of this.#filter.names ?? []) {
      const machineID = view.summary(name)?.machineID;
      if (machineID !== undefined) ids.add(machineID);
      for (const key of view.statesOfUnit(name)) ids.add(splitStateKey(key).machineID);
    }
    return ids;
  }

  #machine(view: ClusterView, id: string): ApiMachine | undefined {
    return this.#filter.names === undefined || this.#told.has(id) ? view.machine(id) : undefined;
  }

  #latestEvents(view: ClusterView): ApiEvent[] {
    const { names } = this.#filter;
    return view.events.latest({ limit: snapshotEvents, ...(names === undefined ? {} : { units: names }) });
  }

  #freshEvents(view: ClusterView): ApiEvent[] {
    const { names } = this.#filter;
    return [...this.#events]
      .sort()
      .flatMap((id) => view.events.of(id) ?? [])
      .filter(({ unit }) => names === undefined || (unit !== undefined && names.has(unit)));
  }

  /** What was noted has been told. */
  forget(): void {
    for (const keys of [this.#units, this.#states, this.#machines, this.#events]) keys.clear();
    this.#losses = false;
  }
}

function* keysOf(keys: ClusterView["unitNames"]): Generator<string> {
  for (let position = 0; ; position += 1) {
    const key = keys.at(position);
    if (key === undefined) return;
    yield key;
  }
}

function rowsOf<Row>(keys: Iterable<string>, row: (key: string) => Row | undefined): Row[] {
  const rows: Row[] = [];
  for (const key of keys) {
    const found = row(key);
    if (found !== undefined) rows.push(found);
  }
  return rows;
}

function same(key: string): string {
  return key;
}

/** A field, or nothing in its place. */
function part<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  const field: { [K in Key]?: Value } = {};
  if (value !== undefined) field[key] = value;
  return field;
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
