import type { EventRecord, WaitingCause } from "@fleet/registry";
import type { ApiEventKind } from "../contract/event-kinds.ts";

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
      return `${unit} waits for a machine${waitingFor(event.causes ?? [])}`;
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

const reasons: Readonly<Record<string, (event: EventRecord) => string>> = {
  // Why it is there.
  least_loaded: () => "of the machines able to run it that one had the fewest units",
  global: () => "it is global",
  kept: () => "it still runs there",
  // Why it left.
  destroyed: () => "it was destroyed",
  inactive: () => "it is to be inactive",
  machine_gone: () => "the machine was lost",
  machine_leaving: () => "the machine is leaving",
  machine_id: () => "it asks for another machine",
  machine_metadata: () => "the machine no longer has the metadata that it asks for",
  duplicate: () => "it is on another machine already",
  machine_of: ({ peer = "a unit" }) => `${peer}, whose machine it shares, is not there any more`,
  conflict: ({ peer = "another unit" }) => `it conflicts with ${peer}`,
  failed: () => "it failed there",
  replaced: ({ peer = "another unit" }) => `${peer} replaces it`,
  // Why it was given anew.
  content: () => "its unit file has changed",
  target: ({ target = "in another state" }) => `it is to be ${target}`,
  restart: () => "it is restarted",
  repeated: () => "it was asked for again",
  // Of machines.
  silent: () => "it has not been heard of",
  confirmed: () => "an operator has confirmed it",
};

function because(event: EventRecord): string {
  const { reason } = event;
  if (reason === undefined) return "";
  // A reason of a later version is at least a word.
  return `: ${reasons[reason]?.(event) ?? reason.replaceAll("_", " ")}`;
}

const obstacles: Readonly<Record<string, string>> = {
  leaving: "leaving",
  away: "away",
  unreadable: "with a record that cannot be read",
  MachineID: "other than the one it asks for",
  MachineMetadata: "without the metadata it asks for",
  MachineOf: "without the unit whose machine it shares",
  Conflicts: "with a unit that it conflicts with",
  Replaces: "with a unit that replaces it",
  ReplacesBlocked: "with a unit that it would replace and that cannot go",
};

function waitingFor(causes: readonly WaitingCause[]): string {
  return causes.length === 0 ? "" : `: ${causes.map(causeText).join(", ")}`;
}

function causeText({ cause, machines }: WaitingCause): string {
  if (cause === "no_machine") return "there is none";
  if (cause === "held") return "the one it was on is still stopping it";
  if (cause === "exclusive") return "it is exclusive, and a machine that cannot be asked may still run it";
  const count =
    machines === undefined ? "some machines" : `${machines} ${machines === 1 ? "machine" : "machines"}`;
  return `${count} ${obstacles[cause] ?? `out of the question (${cause})`}`;
}
