import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, errorMessage, FleetError } from "@fleet/runtime";
import type { UnitDirectory } from "./unit-manager.ts";

/** A unit directory on disk; created with the first write. */
export class DiskUnitDirectory implements UnitDirectory {
  readonly #path: string;
  #writes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async write(name: string, text: string): Promise<void> {
    await this.#attempt("write", name, async () => {
      const file = join(this.#path, name);
      // A name without a unit suffix: systemd passes over it, also if a crash leaves it here. The unit's own name is
      // not in it: that may be as long as a file name can be.
      this.#writes += 1;
      const unfinished = join(this.#path, `.${process.pid}-${this.#writes}.unfinished`);
      try {
        await this.#create(unfinished, text);
        await makeNewer(unfinished, file);
        await rename(unfinished, file);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
    });
  }

  async read(name: string): Promise<string | undefined> {
    return await this.#attempt("read", name, async () => {
      try {
        return await readFile(join(this.#path, name), "utf8");
      } catch (error) {
        if (errorCode(error) === "ENOENT") return undefined;
        throw error;
      }
    });
  }

  async remove(name: string): Promise<void> {
    await this.#attempt("remove", name, () => rm(join(this.#path, name), { force: true }));
  }

  async #create(file: string, text: string): Promise<void> {
    try {
      await writeFile(file, text, { mode: 0o644 });
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      await mkdir(this.#path, { recursive: true });
      await writeFile(file, text, { mode: 0o644 });
    }
  }

  async #attempt<Result>(action: string, name: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw new FleetError(
        "unit_directory_failed",
        `cannot ${action} unit file ${name}: ${errorMessage(error)}`,
        {
          cause: error,
        },
      );
    }
  }
}

/**
 * systemd takes a file for changed only when its time is later than that of the file it loaded. Two writes
 * within one tick of the kernel (4–10 ms), or a clock set back, must not hide new content.
 */
async function makeNewer(next: string, previous: string): Promise<void> {
  const replaced = await stat(previous).catch((error) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (replaced === undefined) return;
  const { mtimeMs: previousMs } = replaced;
  const { mtimeMs } = await stat(next);
  if (mtimeMs > previousMs) return;
  const laterSeconds = (Math.floor(previousMs) + 1) / 1000;
  await utimes(next, laterSeconds, laterSeconds);
}
