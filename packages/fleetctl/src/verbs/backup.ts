import { open, rename, rm } from "node:fs/promises";
import { errorMessage } from "@fleet/runtime";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";

/** Writes everything users want of the cluster to a file, or to stdout. Exits with 1 when some of it cannot be read. */
export async function backup(call: Invocation): Promise<number> {
  const [path, ...more] = call.args;
  if (more.length > 0) throw new CommandFailure("One file at most can be written");
  const client = await call.connect();
  const document = await wordedAs(
    (reason) => `Error retrieving the backup: ${reason}`,
    client.backup(call.signal),
  );
  if (document === undefined)
    throw new CommandFailure("This server makes no backups: is it fleet 1.0? See `fleetctl import`.");
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  if (path === undefined) call.print(text);
  else await replaceFile(path, text);
  const { units, metadata, revision, unreadable } = document;
  call.say(
    `${units.length} units and ${metadata.length} keys of machine metadata, as of revision ${revision}` +
      (path === undefined ? "" : `, in ${path}`),
  );
  for (const key of unreadable) call.fail(`${key} cannot be read, and is not in the backup`);
  return unreadable.length === 0 ? 0 : 1;
}

/** Whatever happens, the file is the old one or the new one, whole; unit files may hold secrets. */
async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.${process.pid}.new`;
  try {
    const file = await open(fresh, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw new CommandFailure(`Cannot write ${path}: ${errorMessage(error)}`, { cause: error });
  }
}
