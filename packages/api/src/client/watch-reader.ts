import type { ApiEvent } from "../contract/events.ts";
import type { Losses } from "../contract/losses.ts";
import { FleetProtocolError } from "./errors.ts";
import { readEvents } from "./event-reader.ts";
import { readMassLoss } from "./loss-reader.ts";
import {
  readList,
  readMachine,
  readNumber,
  readObject,
  readText,
  readUnit,
  readUnitState,
  readUnitSummary,
} from "./readers.ts";
import type { WatchUpdate } from "./watch-stream.ts";

/** Undefined for a kind of message a newer server may send. */
export function readUpdate(text: string): WatchUpdate | undefined {
  const fields = readObject(parsed(text), "message");
  const revision = (): number => readNumber(fields, "revision");
  switch (fields.type) {
    case "snapshot":
      return {
        type: "snapshot",
        revision: revision(),
        ...cluster(fields),
        units: readList(fields, "units", readUnit),
        states: readList(fields, "states", readUnitState),
        machines: readList(fields, "machines", readMachine),
        ...(fields.summaries === undefined
          ? {}
          : { summaries: readList(fields, "summaries", readUnitSummary) }),
        ...events(fields),
        ...losses(fields),
      };
    case "delta":
      return {
        type: "delta",
        revision: revision(),
        ...part(fields, "units", readUnit, readName),
        ...part(fields, "summaries", readUnitSummary, readName),
        ...part(fields, "states", readUnitState, readStateKey),
        ...part(fields, "machines", readMachine, readName),
        ...events(fields),
        ...losses(fields),
      };
    case "status": {
      const text = readText(fields, "message");
      return {
        type: "status",
        status: fields.status === "stale" || fields.status === "resync" ? fields.status : "connected",
        ...(text === "" ? {} : { message: text }),
      };
    }
    default:
      return undefined;
  }
}

function cluster(fields: Readonly<Record<string, unknown>>): { readonly cluster?: string } {
  const name = readText(fields, "cluster");
  return name === "" ? {} : { cluster: name };
}

function events(fields: Readonly<Record<string, unknown>>): { readonly events?: ApiEvent[] } {
  return fields.events === undefined ? {} : { events: readEvents(fields) };
}

function losses(fields: Readonly<Record<string, unknown>>): { readonly losses?: Losses } {
  if (fields.losses === undefined) return {};
  const massLoss = readMassLoss(readObject(fields.losses, "losses"));
  return { losses: massLoss === undefined ? {} : { massLoss } };
}

function part<Key extends string, Put, Removed>(
  fields: Readonly<Record<string, unknown>>,
  key: Key,
  readPut: (value: unknown) => Put,
  readRemoved: (value: unknown) => Removed,
): { readonly [K in Key]?: { put: Put[]; removed: Removed[] } } {
  const value = fields[key];
  if (value === undefined) return {};
  const rows = readObject(value, `change of ${key}`);
  const change = { put: readList(rows, "put", readPut), removed: readList(rows, "removed", readRemoved) };
  const entry: { [K in Key]?: { put: Put[]; removed: Removed[] } } = {};
  entry[key] = change;
  return entry;
}

function readName(value: unknown): string {
  if (typeof value !== "string") throw new FleetProtocolError("the server sent a bad name");
  return value;
}

function readStateKey(value: unknown): { name: string; machineID: string } {
  const fields = readObject(value, "unit state");
  return { name: readText(fields, "name"), machineID: readText(fields, "machineID") };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FleetProtocolError("the server sent a message that is no JSON");
  }
}
