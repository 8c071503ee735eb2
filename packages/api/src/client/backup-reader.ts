import type { ApiBackup, backupVersion } from "../contract/backup.ts";
import { FleetProtocolError } from "./errors.ts";
import { readList, readNumber, readObject, readText } from "./readers.ts";

const version: typeof backupVersion = 1;

/** Reads a backup, from a server or from a file. @throws FleetProtocolError when it is none, or of another version. */
export function readBackup(value: unknown): ApiBackup {
  const fields = readObject(value, "backup");
  if (fields.backup !== version) {
    throw new FleetProtocolError(
      fields.backup === undefined
        ? "this is no backup of a fleet cluster"
        : `this backup is of version ${String(fields.backup)}, version ${version} is read`,
    );
  }
  const cluster = readObject(fields.cluster, "cluster");
  const given = readObject(fields.files, "files");
  const files: Record<string, string> = {};
  for (const hash of Object.keys(given)) files[hash] = readText(given, hash);
  return {
    backup: version,
    cluster: {
      id: readText(cluster, "id"),
      epoch: readNumber(cluster, "epoch"),
      format: readNumber(cluster, "format"),
    },
    revision: readNumber(fields, "revision"),
    taken: readText(fields, "taken"),
    files,
    units: readList(fields, "units", readUnit),
    metadata: readList(fields, "metadata", readMetadata),
    unreadable: readList(fields, "unreadable", (key) => String(key)),
  };
}

function readUnit(value: unknown): ApiBackup["units"][number] {
  const fields = readObject(value, "unit");
  const { desiredState } = fields;
  if (desiredState !== "inactive" && desiredState !== "loaded" && desiredState !== "launched") {
    throw new FleetProtocolError(`unknown unit state: ${JSON.stringify(desiredState)}`);
  }
  return { name: readText(fields, "name"), hash: readText(fields, "hash"), desiredState };
}

function readMetadata(value: unknown): ApiBackup["metadata"][number] {
  const fields = readObject(value, "metadata");
  return {
    machineID: readText(fields, "machineID"),
    key: readText(fields, "key"),
    ...(fields.value === undefined ? {} : { value: readText(fields, "value") }),
  };
}
