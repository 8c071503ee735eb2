import {
  no,
  ok,
  parseUnitFile,
  type Result,
  serializeUnitFile,
  type UnitOption,
  unitHash,
} from "@fleet/core";
import { bodyCodec } from "./records.ts";

/** Writes a unit file as the value of its `bodies/<hash>` key. */
export function encodeBody(options: readonly UnitOption[]): string {
  return bodyCodec.encode({ text: serializeUnitFile(options) });
}

/** Reads it back; content that does not have the hash it is stored under is a problem. */
export function decodeBody(value: string, hash: string): Result<readonly UnitOption[], string> {
  const record = bodyCodec.decode(value);
  if (!record.ok) return record;
  const options = parseUnitFile(record.value.text);
  if (!options.ok) return no("not a unit file");
  return unitHash(options.value) === hash ? ok(options.value) : no("content does not have this hash");
}
