import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { errorCode, FleetError } from "@fleet/runtime";
import { z } from "zod";

const holderSchema = z.object({ pid: z.number().int().positive(), startTime: z.string() });
/** A process for good: a pid is used again, a pid with its start time is not. */
export type ProcessIdentity = z.output<typeof holderSchema>;

/** Start time of a process in clock ticks since boot (proc(5)), as text; undefined when it does not run. */
export type ReadStartTime = (pid: number) => Promise<string | undefined>;

/** Reads field 22 of `/proc/<pid>/stat`. */
export const readStartTime: ReadStartTime = async (pid) => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses, which may itself hold blanks and parentheses.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" ? undefined : fields[18];
};

/**
 * Takes the lock file for the process, from a dead holder too. Resolves with its release; throws FleetError
 * `already_running` while the holder lives.
 */
export async function takeProcessLock(
  path: string,
  pid: number,
  startTimeOf: ReadStartTime = readStartTime,
): Promise<() => Promise<void>> {
  const own: ProcessIdentity = { pid, startTime: (await startTimeOf(pid)) ?? "unknown" };
  const candidate = `${path}.${pid}`;
  await writeFile(candidate, JSON.stringify(own), { mode: 0o600 });
  try {
    // link() makes the complete file appear at once, or fails because there is one: no reader sees half a holder.
    while (!(await linked(candidate, path))) await evict(path, candidate, startTimeOf);
  } finally {
    await unlink(candidate).catch(() => {});
  }
  return async () => {
    if ((await readHolder(path))?.pid === pid) await unlink(path);
  };
}

async function linked(candidate: string, path: string): Promise<boolean> {
  try {
    await link(candidate, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Removes the lock of a dead process; throws when its holder lives. */
async function evict(path: string, candidate: string, startTimeOf: ReadStartTime): Promise<void> {
  await refuseLiving(await readHolder(path), path, startTimeOf);
  // Another process may evict the same holder and take the lock in between: what was moved away is looked at again.
  const moved = `${candidate}.stale`;
  try {
    await rename(path, moved);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw error;
  }
  try {
    await refuseLiving(await readHolder(moved), path, startTimeOf);
  } catch (error) {
    await linked(moved, path);
    throw error;
  } finally {
    await unlink(moved);
  }
}

async function refuseLiving(
  holder: ProcessIdentity | undefined,
  path: string,
  startTimeOf: ReadStartTime,
): Promise<void> {
  if (holder === undefined || (await startTimeOf(holder.pid)) !== holder.startTime) return;
  throw new FleetError(
    "already_running",
    `another fleetd (process ${holder.pid}) looks after the same units directory: it holds ${path}`,
  );
}

/** Undefined when there is no lock, or one that nobody can have written in full. */
async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
