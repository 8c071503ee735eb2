import type { ApiEvent } from "@fleet/api/contract";
import type { Picture } from "./picture.ts";
import type { Phase } from "./unit-row.ts";

export type MachineStatus = "present" | "leaving" | "left" | "lost";

/** What a list shows of a machine. */
export interface MachineRow {
  readonly id: string;
  readonly ip: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly status: MachineStatus;
  /** When it went, in milliseconds since the epoch; undefined while it is there. */
  readonly goneAt: number | undefined;
  /** Units placed on it, or that were when it went. */
  readonly units: number;
  /** Units that were on it when it went and have arrived nowhere yet. */
  readonly stranded: number;
  /** Of the units placed on it, those that are worth a look. */
  readonly troubled: Readonly<Partial<Record<Phase, number>>>;
}

const troubles: ReadonlySet<Phase> = new Set(["failed", "starting", "stopping", "moving"]);

/** Machines that have gone first, the latest first; then those present, by id. */
export function machineRows(picture: Picture): readonly MachineRow[] {
  const ids = [...picture.gone.map(({ id }) => id).reverse(), ...picture.machineIds];
  const last = lastMachineEvents(picture.events);
  return ids.flatMap((id) => machineRow(picture, id, last.get(id)) ?? []);
}

/** One machine; undefined for one that is not known, or no longer. */
export function machineRowOf(picture: Picture, id: string): MachineRow | undefined {
  return machineRow(picture, id, lastMachineEvents(picture.events).get(id));
}

function machineRow(picture: Picture, id: string, lastEvent: ApiEvent | undefined): MachineRow | undefined {
  const present = picture.machine(id);
  const gone = picture.goneMachine(id);
  const machine = present ?? gone;
  if (machine === undefined) return undefined;
  const troubled: Partial<Record<Phase, number>> = {};
  for (const name of picture.unitsOn(id)) {
    const phase = picture.row(name)?.phase;
    if (phase !== undefined && troubles.has(phase)) troubled[phase] = (troubled[phase] ?? 0) + 1;
  }
  return {
    id,
    ip: machine.primaryIP ?? "",
    metadata: machine.metadata ?? {},
    status: statusOf(present !== undefined, lastEvent),
    goneAt: present === undefined ? gone?.at : undefined,
    units: present === undefined && gone !== undefined ? gone.units : picture.unitsOn(id).size,
    stranded: present === undefined ? picture.unitsOn(id).size : 0,
    troubled,
  };
}

/** What became of a machine is told by the leader, a moment after it is no longer listed. */
function statusOf(present: boolean, lastEvent: ApiEvent | undefined): MachineStatus {
  if (present) return lastEvent?.kind === "machine-leaving" ? "leaving" : "present";
  return lastEvent?.kind === "machine-left" || lastEvent?.kind === "machine-leaving" ? "left" : "lost";
}

function lastMachineEvents(events: readonly ApiEvent[]): ReadonlyMap<string, ApiEvent> {
  const last = new Map<string, ApiEvent>();
  for (const event of events) {
    if (event.machineID !== undefined && event.kind.startsWith("machine-")) last.set(event.machineID, event);
  }
  return last;
}
