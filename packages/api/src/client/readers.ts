import type { UnitOption } from "@fleet/core";
import type { UnitSummary } from "../contract/watch.ts";
import type { ApiMachine, ApiUnit, ApiUnitState } from "../contract/wire.ts";
import { FleetProtocolError } from "./errors.ts";

/**
 * Reads what a server sent, field by field. By hand, because the schema library would cost the command line
 * as much time as Node's own start; lenient like fleet's client, because any fleet v1 server may answer: an
 * absent text is empty, an absent list has no entries.
 */

type Fields = Readonly<Record<string, unknown>>;

export function readObject(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new FleetProtocolError(`the server sent no ${what}`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function readText(fields: Fields, key: string): string {
  const value = fields[key];
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw new FleetProtocolError(`the server sent a bad ${key}`);
  return value;
}

export function readNumber(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== "number") throw new FleetProtocolError(`the server sent a bad ${key}`);
  return value;
}

export function readList<Item>(fields: Fields, key: string, read: (value: unknown) => Item): Item[] {
  const value = fields[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new FleetProtocolError(`the server sent a bad list of ${key}`);
  return value.map((item: unknown) => read(item));
}

export function readUnit(value: unknown): ApiUnit {
  const fields = readObject(value, "unit");
  const currentState = fields.currentState;
  const machineID = readText(fields, "machineID");
  return {
    name: readText(fields, "name"),
    options: readList(fields, "options", readOption),
    desiredState: readTarget(fields.desiredState),
    ...(currentState === undefined || currentState === "" ? {} : { currentState: readTarget(currentState) }),
    ...(machineID === "" ? {} : { machineID }),
  };
}

export function readUnitSummary(value: unknown): UnitSummary {
  const { options: _none, ...unit } = readUnit(value);
  const fields = readObject(value, "unit");
  const description = readText(fields, "description");
  return {
    ...unit,
    hash: readText(fields, "hash"),
    ...(fields.global === true ? { global: true } : {}),
    ...(description === "" ? {} : { description }),
  };
}

function readOption(value: unknown): UnitOption {
  const fields = readObject(value, "unit option");
  return {
    section: readText(fields, "section"),
    name: readText(fields, "name"),
    value: readText(fields, "value"),
  };
}

function readTarget(value: unknown): ApiUnit["desiredState"] {
  if (value === "inactive" || value === "loaded" || value === "launched") return value;
  throw new FleetProtocolError(`the server sent an unknown unit state: ${JSON.stringify(value)}`);
}

export function readUnitState(value: unknown): ApiUnitState {
  const fields = readObject(value, "unit state");
  const problem = readText(fields, "problem");
  return {
    name: readText(fields, "name"),
    hash: readText(fields, "hash"),
    machineID: readText(fields, "machineID"),
    systemdLoadState: readText(fields, "systemdLoadState"),
    systemdActiveState: readText(fields, "systemdActiveState"),
    systemdSubState: readText(fields, "systemdSubState"),
    ...(problem === "" ? {} : { problem }),
  };
}

/** The client always fills in address and metadata, empty when the server left them out. */
export type ClientMachine = { readonly [Key in keyof ApiMachine]-?: Exclude<ApiMachine[Key], undefined> };

export function readMachine(value: unknown): ClientMachine {
  const fields = readObject(value, "machine");
  const pairs = fields.metadata;
  const metadata: Record<string, string> = {};
  if (pairs !== undefined && pairs !== null) {
    const given = readObject(pairs, "machine metadata");
    for (const key of Object.keys(given)) metadata[key] = readText(given, key);
  }
  return { id: readText(fields, "id"), primaryIP: readText(fields, "primaryIP"), metadata };
}
