import type { Change, ChangeBatch } from "@fleet/registry";

/** Separates the parts of a state's key; below every character of a name, so that keys sort by name, then machine. */
const separator = "\u0000";

export function stateKey(unit: string, machineId: string): string {
  return `${unit}${separator}${machineId}`;
}

export function splitStateKey(key: string): { readonly name: string; readonly machineID: string } {
  const end = key.indexOf(separator);
  return { name: key.slice(0, end), machineID: key.slice(end + 1) };
}

/** What changed in the API's terms, as of a revision. */
export interface ViewChange {
  readonly revision: number;
  /** Names. */
  readonly units: ReadonlySet<string>;
  /** See `stateKey`. */
  readonly states: ReadonlySet<string>;
  /** Ids. */
  readonly machines: ReadonlySet<string>;
  /** Ids of records of events that have come. */
  readonly events: ReadonlySet<string>;
  /** Whether other machines may be held for. */
  readonly losses: boolean;
}

/** What a batch changes. Of rows that cannot be read, too: they are told again as they were. */
export function viewChangeOf({ revision, changes }: ChangeBatch): ViewChange {
  const changed = new Gathered(revision);
  for (const change of changes) changed.add(change);
  return changed;
}

/** Several changes as one, as of the last of them. */
export function merged(parts: readonly ViewChange[]): ViewChange {
  const whole = new Gathered(Math.max(0, ...parts.map(({ revision }) => revision)));
  for (const { units, states, machines, events, losses } of parts) {
    for (const name of units) whole.units.add(name);
    for (const key of states) whole.states.add(key);
    for (const id of machines) whole.machines.add(id);
    for (const id of events) whole.events.add(id);
    whole.losses ||= losses;
  }
  return whole;
}

/** How many keys it names. */
export function sizeOf({ units, states, machines, events }: ViewChange): number {
  return units.size + states.size + machines.size + events.size;
}

class Gathered implements ViewChange {
  readonly units = new Set<string>();
  readonly states = new Set<string>();
  readonly machines = new Set<string>();
  readonly events = new Set<string>();
  losses = false;
  readonly revision: number;

  constructor(revision: number) {
    this.revision = revision;
  }

  add(change: Change): void {
    switch (change.kind) {
      case "unit":
        this.units.add(change.name);
        return;
      case "assignment":
        this.units.add(change.unit);
        return;
      case "state":
        this.states.add(stateKey(change.unit, change.machineId));
        this.units.add(change.unit);
        return;
      case "machine":
      case "metadata":
        this.machines.add(change.machineId);
        return;
      case "events":
        // One that goes, or says nothing that can be read, is no event.
        if (change.entry.status === "present") this.events.add(change.id);
        return;
      case "mass-loss":
      case "confirmed-losses":
        this.losses = true;
        return;
      default:
    }
  }
}
