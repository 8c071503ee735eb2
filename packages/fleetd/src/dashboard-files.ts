import { readFile } from "node:fs/promises";
import { errorCode } from "@fleet/runtime";

/** Where the build puts them, beside the program; run from its source, fleetd has none. */
const directory = new URL("../ui/", import.meta.url);

/**
 * A file of the dashboard; undefined when there is none of that name. Read anew for each request: they are small, and most
 * fleetds are never asked.
 */
export async function readDashboardFile(name: string): Promise<Buffer | undefined> {
  if (!/^[\w-]+\.\w+$/.test(name)) return undefined;
  try {
    return await readFile(new URL(name, directory));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
