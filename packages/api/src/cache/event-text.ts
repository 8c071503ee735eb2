import type { EventRecord } from "@fleet/registry";
import type { ApiEventKind } from "../contract/event-kinds.ts";
import { becauseWords, waitingWords } from "../words/reason-words.ts";

/** What happened, as one sentence for people: whoever shows an event shows this. */
export function eventText(kind: ApiEventKind, event: EventRecord): string {
  const { unit = "a unit", count = 0, vanished = 0, of = 0 } = event;
  const machine = machineName(event.machineId);
  const from = machineName(event.fromMachineId);
  switch (kind) {
    case "assigned":
      return `${unit} was assigned to ${machine}${because(event)}`;
    case "moved":
      return `${unit} was moved from ${from} to ${machine}${because(event)}`;
    case "withdrawn":
      return `${unit} was withdrawn from ${machine}${because(event)}`;
    case "updated":
      return `${unit} was given to ${machine} anew${because(event)}`;
    case "waiting":
      return waitingWords(unit, event.causes ?? []);
    case "machine-joined":
      return `${machine} joined the cluster`;
    case "machine-leaving":
      return `${machine} is leaving the cluster`;
    case "machine-left":
      return `${machine} left the cluster`;
    case "machine-lost":
      return `${machine} was lost${because(event)}; what it ran is placed elsewhere`;
    case "losses-held":
      return `${vanished} of ${of} machines vanished at once; what they ran is not placed elsewhere before they are confirmed as lost`;
    case "losses-released":
      return "no vanished machine is held for any more";
    case "leader-elected":
      return `${machine} was elected leader`;
    case "omitted":
      return `${count} more ${count === 1 ? "event" : "events"} came at the same time and ${count === 1 ? "is" : "are"} not told`;
  }
}

/** As listings shorten it. */
function machineName(id: string | undefined): string {
  return id === undefined ? "a machine" : `machine ${id.slice(0, 8)}`;
}

function because({ reason, peer, target }: EventRecord): string {
  if (reason === undefined) return "";
  return becauseWords(reason, {
    ...(peer === undefined ? {} : { peer }),
    ...(target === undefined ? {} : { target }),
  });
}
