import { eventKinds } from "../contract/event-kinds.ts";
import type { ApiEvent } from "../contract/events.ts";
import { readList, readObject, readText } from "./readers.ts";

/** The events of a message or an answer. Those of kinds that only a newer server knows are left out. */
export function readEvents(fields: Readonly<Record<string, unknown>>): ApiEvent[] {
  return readList(fields, "events", readEvent).flatMap((event) => (event === undefined ? [] : [event]));
}

function readEvent(value: unknown): ApiEvent | undefined {
  const fields = readObject(value, "event");
  const kind = eventKinds.find((known) => known === fields.kind);
  if (kind === undefined) return undefined;
  const unit = readText(fields, "unit");
  const machineID = readText(fields, "machineID");
  const fromMachineID = readText(fields, "fromMachineID");
  const reason = readText(fields, "reason");
  return {
    id: readText(fields, "id"),
    at: readText(fields, "at"),
    kind,
    ...(unit === "" ? {} : { unit }),
    ...(machineID === "" ? {} : { machineID }),
    ...(fromMachineID === "" ? {} : { fromMachineID }),
    ...(reason === "" ? {} : { reason }),
    text: readText(fields, "text"),
  };
}
