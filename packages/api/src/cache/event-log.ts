import type { Entry, EventsRecord } from "@fleet/registry";
import { eventKinds } from "../contract/event-kinds.ts";
import type { ApiEvent } from "../contract/events.ts";
import { eventText } from "./event-text.ts";

/** Which events are asked for. */
export interface EventFilter {
  readonly units?: ReadonlySet<string>;
  /** An event is about the machine, or a unit was moved off it. */
  readonly machine?: string;
  /** At most so many, the latest. */
  readonly limit: number;
}

/**
 * The records of events as they are in the registry, where the leader keeps a bounded number of them. What is shown of one
 * is made when it is first asked for, and kept with it: all who look on are told the same.
 */
export class EventLog {
  readonly #records = new Map<string, EventsRecord>();
  readonly #shown = new Map<string, readonly ApiEvent[]>();

  apply(id: string, entry: Entry<EventsRecord>): void {
    this.#shown.delete(id);
    if (entry.status === "present") this.#records.set(id, entry.value);
    else this.#records.delete(id);
  }

  /** The events of one record; undefined when it is gone, or cannot be read. */
  of(id: string): readonly ApiEvent[] | undefined {
    const shown = this.#shown.get(id);
    if (shown !== undefined) return shown;
    const record = this.#records.get(id);
    if (record === undefined) return undefined;
    const events = eventsOf(id, record);
    this.#shown.set(id, events);
    return events;
  }

  /** In their order, the latest last. */
  latest({ limit, units, machine }: EventFilter): ApiEvent[] {
    const found: ApiEvent[] = [];
    for (const id of [...this.#records.keys()].sort().reverse()) {
      for (const event of [...(this.of(id) ?? [])].reverse()) {
        if (found.length === limit) return found.reverse();
        if (units !== undefined && (event.unit === undefined || !units.has(event.unit))) continue;
        if (machine !== undefined && event.machineID !== machine && event.fromMachineID !== machine) continue;
        found.push(event);
      }
    }
    return found.reverse();
  }
}

/** Those of kinds that only a later version knows are left out. */
function eventsOf(recordId: string, { atMs, events }: EventsRecord): readonly ApiEvent[] {
  const at = new Date(atMs).toISOString();
  return events.flatMap((event, index): ApiEvent[] => {
    const kind = eventKinds.find((known) => known === event.kind);
    if (kind === undefined) return [];
    const { unit, machineId, fromMachineId, reason } = event;
    return [
      {
        id: `${recordId}.${String(index).padStart(3, "0")}`,
        at,
        kind,
        ...(unit === undefined ? {} : { unit }),
        ...(machineId === undefined ? {} : { machineID: machineId }),
        ...(fromMachineId === undefined ? {} : { fromMachineID: fromMachineId }),
        ...(reason === undefined ? {} : { reason }),
        text: eventText(kind, event),
      },
    ];
  });
}
