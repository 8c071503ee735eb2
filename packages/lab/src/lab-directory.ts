import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorCode, FleetError } from "@fleet/runtime";
import { processStartTime } from "./process.ts";

/** Room that a few etcd members and machines need; a container's default /dev/shm has only 64 MiB. */
const ROOM_BYTES = 1024 * 1024 * 1024;
const SWEEP = fileURLToPath(new URL("../shell/sweep.sh", import.meta.url));

/**
 * The directory of one lab: everything a lab puts on the host lies below it or is listed in it.
 *
 * Invariants:
 * - A live owner process is named in `owner`; a directory whose owner is dead is swept by whoever comes next.
 * - A janitor process waits for the end of this one, however it comes, and then sweeps the directory.
 * - Paths are short: a unix socket address holds 107 bytes.
 */
export class LabDirectory {
  readonly name: string;
  readonly path: string;
  /** Name of the control group that holds one group for each machine. */
  readonly controlGroup: string;
  /** Name of the bridge that joins its full machines; 15 characters, the kernel's limit. */
  readonly bridge: string;
  /** File with the processes to end in a sweep. */
  readonly processesFile: string;
  #janitor: ChildProcess;

  private constructor(name: string, path: string, id: string) {
    this.name = name;
    this.path = path;
    this.controlGroup = `fleet-lab-${id}`;
    this.bridge = `fl-${id}`;
    this.processesFile = join(path, "processes");
    // A session of its own: Ctrl-C in the lab's terminal must not end the one that cleans up after it.
    this.#janitor = spawn("sh", [SWEEP, "--after-stdin", path], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#janitor.on("error", () => undefined);
    this.#janitor.unref();
  }

  /**
   * Creates the directory of a lab and sweeps what dead labs have left.
   *
   * Fails with `lab_exists` when a live process runs a lab of that name. Without a name a random one is taken.
   */
  static create(options: { readonly name?: string } = {}): LabDirectory {
    const root = labsRoot();
    sweepDeadLabs(root);
    const name = options.name ?? randomBytes(4).toString("hex");
    if (!/^[a-z0-9-]{1,20}$/.test(name)) {
      throw new FleetError("lab_name", `a lab's name has up to 20 of a-z, 0-9 and "-": "${name}"`);
    }
    const path = join(root, name);
    try {
      makeDirectory(root, path);
    } catch (cause) {
      if (errorCode(cause) !== "EEXIST") throw cause;
      throw new FleetError("lab_exists", `a lab named "${name}" is running (process ${ownerOf(path)})`, {
        cause,
      });
    }
    const id = randomBytes(6).toString("hex");
    writeFileSync(join(path, "owner"), `${process.pid} ${processStartTime(process.pid)}\n`);
    writeFileSync(join(path, "id"), `${id}\n`);
    writeFileSync(join(path, "processes"), "");
    return new LabDirectory(name, path, id);
  }

  /** Creates and returns a directory below this one. */
  subdirectory(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Ends what is still running and removes everything. Resolves when nothing is left. */
  async remove(): Promise<void> {
    const janitor = this.#janitor;
    if (janitor.exitCode === null && janitor.signalCode === null) {
      janitor.ref();
      const done = new Promise((resolve) => janitor.once("exit", resolve));
      janitor.stdin?.end();
      await done;
    }
    sweep(this.path);
  }
}

/** Directory of all labs of this user: in memory where there is room, because etcd waits for every fsync. */
export function labsRoot(): string {
  const chosen = process.env.FLEET_LAB_ROOT;
  if (chosen !== undefined && chosen !== "") {
    if (/^\/(run|proc|sys)(\/|$)/.test(chosen)) {
      throw new FleetError("lab_root", `FLEET_LAB_ROOT=${chosen}: machines cover /run with their own`);
    }
    return chosen;
  }
  const name = `fleet-lab-${userInfo().uid}`;
  return join(hasRoom("/dev/shm") ? "/dev/shm" : tmpdir(), name);
}

/** Names of the labs that have a live owner. */
export function runningLabs(): readonly string[] {
  return labNames(labsRoot()).filter((name) => ownerOf(join(labsRoot(), name)) !== undefined);
}

/** The live process that owns a lab's directory. */
export function ownerOf(path: string): number | undefined {
  try {
    const [pid, startTime] = readFileSync(join(path, "owner"), "utf8").trim().split(" ");
    return processStartTime(Number(pid)) === startTime ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

/** Creates a lab's directory. The end of the last lab removes the root, possibly between the two steps. */
function makeDirectory(root: string, path: string): void {
  for (let attempt = 1; ; attempt += 1) {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    try {
      mkdirSync(path, { mode: 0o700 });
      return;
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || attempt === 10) throw error;
    }
  }
}

function sweepDeadLabs(root: string): void {
  for (const name of labNames(root)) {
    const path = join(root, name);
    // A directory without these files is one that another process is creating this very moment.
    if (exists(join(path, "owner")) && exists(join(path, "id")) && ownerOf(path) === undefined) sweep(path);
  }
}

function sweep(path: string): void {
  execFileSync("sh", [SWEEP, path], { stdio: "ignore" });
}

function labNames(root: string): readonly string[] {
  try {
    return readdirSync(root);
  } catch {
    return [];
  }
}

function hasRoom(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize >= ROOM_BYTES;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
