import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseUnitName, type TargetState } from "@fleet/core";
import { errorCode, errorMessage } from "@fleet/runtime";
import { mapBounded } from "../bounded.ts";
import { CommandFailure } from "../failure.ts";
import { readLocalUnitFile } from "../units/local-unit-file.ts";
import type { ImportSource, SourceUnit } from "./import-source.ts";

type Reading =
  | { readonly kind: "unit"; readonly unit: SourceUnit }
  | { readonly kind: "unreadable"; readonly name: string; readonly problem: string }
  | { readonly kind: "skipped"; readonly name: string };

/**
 * Reads the unit files of a directory, not of those within it. A symlink that is named as an instance is that
 * instance, with its template's content.
 */
export async function readSourceDirectory(from: string, target: TargetState): Promise<ImportSource> {
  const names = await listDirectory(from);
  const readings = await mapBounded(names, (name) => readEntry(from, name, target));
  return {
    kind: "directory",
    from,
    units: readings.flatMap((reading) => (reading.kind === "unit" ? [reading.unit] : [])),
    unreadable: readings.filter((reading) => reading.kind === "unreadable"),
    skipped: readings.flatMap((reading) => (reading.kind === "skipped" ? [reading.name] : [])),
    machines: [],
  };
}

async function listDirectory(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    const hints = [
      "--from takes a directory, or an endpoint: unix:///PATH, file:///PATH, http://HOST[:PORT] or https://HOST[:PORT]",
    ];
    throw new CommandFailure(`--from: ${errorMessage(error)}`, { hints, cause: error });
  }
}

async function readEntry(directory: string, name: string, target: TargetState): Promise<Reading> {
  const parsed = parseUnitName(name);
  if (!parsed.ok) return { kind: "skipped", name };
  const path = join(directory, name);
  try {
    // Of what is no file, a named pipe would be waited for.
    if (!(await stat(path)).isFile()) return { kind: "skipped", name };
    const options = await readLocalUnitFile(path);
    if (options === undefined) return { kind: "unreadable", name, problem: `${path} is gone` };
    return { kind: "unit", unit: { name, options, target: parsed.value.isTemplate ? "inactive" : target } };
  } catch (error) {
    const dangling = errorCode(error) === "ENOENT";
    return { kind: "unreadable", name, problem: dangling ? `${path} leads nowhere` : errorMessage(error) };
  }
}
