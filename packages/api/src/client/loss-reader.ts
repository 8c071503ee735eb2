import type { ApiMassLoss } from "../contract/losses.ts";
import { FleetProtocolError } from "./errors.ts";
import { readList, readNumber, readObject, readText } from "./readers.ts";

/** The mass loss that an answer tells of; undefined when it tells of none, as every answer of fleet 1.0. */
export function readMassLoss(fields: Readonly<Record<string, unknown>>): ApiMassLoss | undefined {
  if (fields.massLoss === undefined || fields.massLoss === null) return undefined;
  const loss = readObject(fields.massLoss, "mass loss");
  return {
    at: readText(loss, "at"),
    vanished: readNumber(loss, "vanished"),
    of: readNumber(loss, "of"),
    machines: readIds(loss),
  };
}

export function readIds(fields: Readonly<Record<string, unknown>>): string[] {
  return readList(fields, "machines", (id) => {
    if (typeof id !== "string") throw new FleetProtocolError("the server sent a bad list of machines");
    return id;
  });
}
