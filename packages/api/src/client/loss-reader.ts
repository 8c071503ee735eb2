import type { ApiMassLoss } from "../contract/losses.ts";
import { readNumber, readObject, readText, readTexts } from "./readers.ts";

/** The mass loss that an answer tells of; undefined when it tells of none, as every answer of fleet 1.0. */
export function readMassLoss(fields: Readonly<Record<string, unknown>>): ApiMassLoss | undefined {
  if (fields.massLoss === undefined || fields.massLoss === null) return undefined;
  const loss = readObject(fields.massLoss, "mass loss");
  return {
    at: readText(loss, "at"),
    vanished: readNumber(loss, "vanished"),
    of: readNumber(loss, "of"),
    machines: readTexts(loss, "machines"),
  };
}
