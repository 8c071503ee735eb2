import { readFile } from "node:fs/promises";
import { type ApiBackup, readBackup } from "@fleet/api/client";
import { parseUnitFile } from "@fleet/core";
import { errorMessage } from "@fleet/runtime";
import { CommandFailure } from "../failure.ts";
import type { ImportSource, SourceUnit } from "./import-source.ts";

/** Reads a file that `backup` has written. Throws CommandFailure when it is none. */
export async function readBackupFile(path: string): Promise<ApiBackup> {
  try {
    return readBackup(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    throw new CommandFailure(`Cannot read the backup ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

/** The units of a backup, as something to import. */
export function backupSource(from: string, { units, files }: ApiBackup): ImportSource {
  const readable: SourceUnit[] = [];
  const unreadable: { name: string; problem: string }[] = [];
  for (const { name, hash, desiredState } of units) {
    const text = files[hash];
    const file = text === undefined ? undefined : parseUnitFile(text);
    if (file?.ok === true) readable.push({ name, options: file.value, target: desiredState });
    else unreadable.push({ name, problem: `its unit file ${hash} is not in the backup, or cannot be read` });
  }
  return { kind: "backup", from, units: readable, unreadable, skipped: [], machines: [] };
}
