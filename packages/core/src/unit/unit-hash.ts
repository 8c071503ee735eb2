import { sha1 } from "@noble/hashes/legacy";
import { bytesToHex } from "@noble/hashes/utils";
import { serializeUnitFile } from "./unit-file.ts";
import type { UnitOption } from "./unit-option.ts";

/**
 * Identity of a unit file's content: SHA-1 of its serialised text, 40 hexadecimal digits. SHA-1 because fleet's
 * users know their units by these hashes; nothing relies on it against forgery.
 */
export function unitHash(options: readonly UnitOption[]): string {
  return bytesToHex(sha1(serializeUnitFile(options)));
}

/** The seven digits shown in tables. */
export function shortHash(hash: string): string {
  return hash.slice(0, 7);
}
