import { execFile } from "node:child_process";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const packageDirectory = new URL("../../../packages/fleetctl/", import.meta.url);

/** Bundles fleetctl as it is now into a directory, with all it needs there; resolves to the program to run with Node. */
export async function installProgram(directory: string): Promise<string> {
  await bundleProgram(directory);
  await cp(fileURLToPath(new URL("bin", packageDirectory)), join(directory, "bin"), { recursive: true });
  return join(directory, "bin", "fleetctl.js");
}

/** Only what is bundled; what was there before is replaced. */
export async function bundleProgram(directory: string): Promise<void> {
  const builder = fileURLToPath(new URL("build-bundle.js", packageDirectory));
  await promisify(execFile)(process.execPath, [builder, join(directory, "bundle")]);
}
