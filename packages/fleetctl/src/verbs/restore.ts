import type { ApiBackup, ClientMachine, MachinePatch } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import { runImport } from "../import/run-import.ts";
import { backupSource, readBackupFile } from "../import/source-backup.ts";
import type { Invocation } from "../invocation.ts";

/** Keys of metadata in one request. */
const patchSize = 100;

/** Shows what a backup would bring back and, with --yes, brings it back. Exits with 1 when not all of it could be. */
export async function restore(call: Invocation): Promise<number> {
  const [path, ...more] = call.args;
  if (path === undefined || more.length > 0) throw new CommandFailure("One backup file must be provided");
  const document = await readBackupFile(path);
  const { cluster, revision, taken } = document;
  call.say(`Backup of cluster ${cluster.id}, revision ${revision}, taken ${taken}`);
  // Units may need it to be placed where they were.
  await restoreMetadata(call, document);
  if (call.flags.on("metadata-only")) return 0;
  return await runImport(call, backupSource(path, document), () => true);
}

async function restoreMetadata(call: Invocation, { metadata }: ApiBackup): Promise<void> {
  const client = await call.connect();
  const machines = await wordedAs(
    (reason) => `Error retrieving list of machines: ${reason}`,
    client.machines(call.signal),
  );
  const present = new Map(machines.map((machine) => [machine.id, machine]));
  const due = metadata.filter((entry) => isDue(entry, present.get(entry.machineID)));
  for (const { machineID, key, value } of due) {
    call.say(
      `Metadata of machine ${machineID}: ${value === undefined ? `without ${key}` : `${key}=${value}`}`,
    );
  }
  if (!call.flags.on("yes")) {
    if (due.length > 0) call.say(`${due.length} keys of machine metadata to set: add --yes to do it.`);
    return;
  }
  const patch: MachinePatch = due.map(({ machineID, key, value }) => {
    const at = `/${machineID}/metadata/${key}`;
    return value === undefined ? { op: "remove", path: at } : { op: "replace", path: at, value };
  });
  for (let from = 0; from < patch.length; from += patchSize) {
    await wordedAs(
      (reason) => `Error setting machine metadata: ${reason}`,
      client.patchMachines(patch.slice(from, from + patchSize), call.signal),
    );
  }
}

/** Of a machine that is away it cannot be told what it has: setting it again is harmless. */
function isDue({ key, value }: ApiBackup["metadata"][number], machine: ClientMachine | undefined): boolean {
  return machine === undefined || machine.metadata[key] !== value;
}
