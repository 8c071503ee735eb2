import type { ApiEvent } from "@fleet/api/contract";

/** A unit's state on a machine, as it was seen to change. Undefined: not reported. */
export interface StateChange {
  readonly at: number;
  readonly unit: string;
  readonly machineID: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Events kept; the server keeps fewer than this many records. */
const maxEvents = 2_000;
/** Changes of state kept, over all units. */
const maxChanges = 5_000;

/** What has happened: events that the server told, and changes of state that were seen while the page was open. */
export class History {
  #events: ApiEvent[] = [];
  #changes: StateChange[] = [];

  /** The latest last. */
  get events(): readonly ApiEvent[] {
    return this.#events;
  }

  /** Of one unit, the latest last. */
  changesOf(unit: string): readonly StateChange[] {
    return this.#changes.filter((change) => change.unit === unit);
  }

  /** Takes what is newer than all that is known: a snapshot tells again what was told before. */
  addEvents(events: readonly ApiEvent[]): void {
    const last = this.#events.at(-1)?.id ?? "";
    const newer = events.filter(({ id }) => id > last);
    if (newer.length > 0) this.#events = [...this.#events, ...newer].slice(-maxEvents);
  }

  addChange(change: StateChange): void {
    this.#changes.push(change);
    // Not at each one: a shift of all of them costs more than a few too many.
    if (this.#changes.length > maxChanges * 1.2) this.#changes = this.#changes.slice(-maxChanges);
  }

  clear(): void {
    this.#events = [];
    this.#changes = [];
  }
}
