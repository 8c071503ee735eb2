import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, errorMessage, FleetError } from "@fleet/runtime";
import { takeProcessLock } from "./process-lock.ts";

/**
 * What fleetd keeps beside the units, in `<units_directory>/.fleet`: it lives exactly as long as they do, over
 * restarts of fleetd and until the machine boots anew (`/run` is a tmpfs).
 *
 * | file | what it is for |
 * | --- | --- |
 * | `lock-…` | one fleetd per units directory |
 * | `token` | tells the registry that a fleetd with this machine id is the same one as before |
 * | `cluster.json` | which cluster this machine belongs to |
 * | `journal` | what the agent has carried out |
 */
export class RunDirectory {
  readonly path: string;
  readonly token: string;
  readonly #release: () => Promise<void>;

  private constructor(path: string, token: string, release: () => Promise<void>) {
    this.path = path;
    this.token = token;
    this.#release = release;
  }

  /**
   * Creates what is missing and takes the lock for the process `pid`. Throws FleetError `already_running`, or
   * `run_directory_failed` with the errno.
   */
  static async open(unitsDirectory: string, pid: number): Promise<RunDirectory> {
    const path = join(unitsDirectory, ".fleet");
    try {
      await mkdir(unitsDirectory, { recursive: true, mode: 0o755 });
      await mkdir(path, { recursive: true, mode: 0o700 });
      const release = await takeProcessLock(path, pid);
      return new RunDirectory(path, await readToken(join(path, "token")), release);
    } catch (error) {
      if (error instanceof FleetError) throw error;
      throw new FleetError("run_directory_failed", `cannot use ${path}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }

  get clusterFile(): string {
    return join(this.path, "cluster.json");
  }

  get journalFile(): string {
    return join(this.path, "journal");
  }

  /** Gives the lock back. What else is kept stays for the next fleetd. */
  async close(): Promise<void> {
    await this.#release();
  }
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  });
  const present = text.trim();
  if (/^[0-9a-f]{32}$/.test(present)) return present;
  const token = randomBytes(16).toString("hex");
  await replaceFile(path, `${token}\n`);
  return token;
}

/** Readers see the old content or the new one. Only one process may write the file at a time. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  await writeFile(fresh, text, { mode: 0o600 });
  await rename(fresh, path);
}
