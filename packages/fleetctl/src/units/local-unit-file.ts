import { readFile } from "node:fs/promises";
import { parseUnitFile, type UnitOption } from "@fleet/core";
import { errorCode, errorMessage } from "@fleet/runtime";
import { CommandFailure } from "../failure.ts";

/**
 * Reads a unit file, through symlinks. Undefined when there is none at the path; throws CommandFailure when
 * there is one that cannot be read.
 */
export async function readLocalUnitFile(path: string): Promise<readonly UnitOption[] | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const parsed = parseUnitFile(text);
  if (parsed.ok) return parsed.value;
  throw new CommandFailure(`cannot use unit file ${path}: ${parsed.problem.message}`);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    // A file that is not UTF-8 would reach systemd with its bytes replaced.
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const reason =
      code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "it is not UTF-8 text" : errorMessage(error);
    throw new CommandFailure(`cannot use unit file ${path}: ${reason}`, { cause: error });
  }
}
