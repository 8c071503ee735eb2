import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, FleetError } from "@fleet/runtime";

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
 * Takes a directory for the process. Resolves with its release; throws FleetError `already_running` while
 * another process has it.
 *
 * A claim is an empty file whose name says whose it is: a pid is used again, a pid with its start time is not.
 * Everybody puts up a claim first and looks for others then, so that two can never both succeed; that two who
 * come at the same moment may both be refused is what the service manager's restart is for.
 */
export async function takeProcessLock(
  directory: string,
  pid: number,
  startTimeOf: ReadStartTime = readStartTime,
): Promise<() => Promise<void>> {
  const own = `lock-${pid}-${(await startTimeOf(pid)) ?? "unknown"}`;
  const release = (): Promise<void> => rm(join(directory, own), { force: true });
  await putUp(join(directory, own), pid);
  for (const name of await readdir(directory)) {
    const [, holder, startTime] = /^lock-(\d+)-(.+)$/.exec(name) ?? [];
    if (name === own || holder === undefined) continue;
    if ((await startTimeOf(Number(holder))) === startTime) {
      await release();
      throw alreadyRunning(Number(holder));
    }
    await rm(join(directory, name), { force: true });
  }
  return release;
}

async function putUp(claim: string, pid: number): Promise<void> {
  try {
    await writeFile(claim, "", { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw errorCode(error) === "EEXIST" ? alreadyRunning(pid) : error;
  }
}

function alreadyRunning(pid: number): FleetError {
  return new FleetError(
    "already_running",
    `another fleetd (process ${pid}) looks after the same units directory`,
  );
}
