import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";

/** Well within the time for which the kernel stays prepared. */
const pauseMs = 3;

/**
 * Has the kernel move a process between cgroups all the while: this one, to where it is. The first move after some 15 ms
 * without any waits for a grace period of RCU, which takes longer than all else of a start; on a host where units start all
 * the time, or whose cgroups are mounted with `favordynmods`, none has to.
 */
export async function whileMovingProcesses<Result>(work: () => Promise<Result>): Promise<Result> {
  let ended = false;
  const file = ownCgroup();
  const move = async (): Promise<void> => {
    while (!ended) {
      await writeFile(file, String(process.pid));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const moving = move();
  try {
    return await work();
  } finally {
    ended = true;
    await moving;
  }
}

function ownCgroup(): string {
  const paths = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, hierarchy, path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      if (hierarchy === "") return [`/sys/fs/cgroup${path}`, `/sys/fs/cgroup/unified${path}`];
      return hierarchy === "name=systemd" ? [`/sys/fs/cgroup/systemd${path}`] : [];
    })
    .map((directory) => `${directory}/cgroup.procs`);
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error("this process is in no cgroup that systemd uses");
  return found;
}
