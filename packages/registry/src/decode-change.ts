import type { Result } from "@fleet/core";
import type { Change, Entry } from "./changes.ts";
import type { Keyspace } from "./keyspace.ts";
import {
  assignmentCodec,
  type Codec,
  clusterCodec,
  confirmedLossesCodec,
  eventsCodec,
  exclusiveHoldCodec,
  leaderCodec,
  machineCodec,
  massLossCodec,
  metadataCodec,
  rescheduleCodec,
  restartCodec,
  settledCodec,
  stateCodec,
  unitCodec,
} from "./records.ts";
import type { WatchEvent } from "./store.ts";
import { decodeBody } from "./unit-body.ts";

/** What an event means; undefined for keys that are none of ours. */
export function decodeChange(keys: Keyspace, event: WatchEvent): Change | undefined {
  const subject = keys.parse(event.type === "put" ? event.row.key : event.key);
  switch (subject?.kind) {
    case undefined:
      return undefined;
    case "cluster":
      return { kind: "cluster", entry: entryOf(event, clusterCodec) };
    case "unit":
      return { ...subject, kind: "unit", entry: entryOf(event, unitCodec) };
    case "body":
      return {
        ...subject,
        kind: "body",
        entry: entryOf(event, { decode: (value) => decodeBody(value, subject.hash) }),
      };
    case "machine":
      return { ...subject, kind: "machine", entry: entryOf(event, machineCodec) };
    case "metadata":
      return { ...subject, kind: "metadata", entry: entryOf(event, metadataCodec) };
    case "assignment":
      return { ...subject, kind: "assignment", entry: entryOf(event, assignmentCodec) };
    case "settled":
      return { ...subject, kind: "settled", entry: entryOf(event, settledCodec) };
    case "state":
      return { ...subject, kind: "state", entry: entryOf(event, stateCodec) };
    case "restart":
      return { ...subject, kind: "restart", entry: entryOf(event, restartCodec) };
    case "mass-loss":
      return { kind: "mass-loss", entry: entryOf(event, massLossCodec) };
    case "confirmed-losses":
      return { kind: "confirmed-losses", entry: entryOf(event, confirmedLossesCodec) };
    case "exclusive-hold":
      return { ...subject, kind: "exclusive-hold", entry: entryOf(event, exclusiveHoldCodec) };
    case "reschedule":
      return { ...subject, kind: "reschedule", entry: entryOf(event, rescheduleCodec) };
    case "events":
      return { ...subject, kind: "events", entry: entryOf(event, eventsCodec) };
    case "leader":
      return { kind: "leader", entry: entryOf(event, leaderCodec) };
  }
}

function entryOf<Value>(event: WatchEvent, codec: Pick<Codec<Value>, "decode">): Entry<Value> {
  if (event.type === "delete") return { status: "absent", modRevision: event.modRevision };
  const { value, createRevision, modRevision } = event.row;
  const record: Result<Value, string> = codec.decode(value);
  return record.ok
    ? { status: "present", value: record.value, createRevision, modRevision }
    : { status: "corrupt", problem: record.problem, modRevision };
}
