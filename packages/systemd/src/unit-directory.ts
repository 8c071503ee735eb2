import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, errorMessage, FleetError } from "@fleet/runtime";
import type { UnitDirectory } from "./unit-manager.ts";

/**
 * A unit directory on disk; created with the first write.
 *
 * On a tmpfs nothing waits for a disk: the calls take a tenth of the time, and of the CPU, of their asynchronous twins, which
 * go through a pool of threads one by one.
 */
export class DiskUnitDirectory implements UnitDirectory {
  readonly #path: string;
  #writes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async write(name: string, text: string): Promise<void> {
    this.#attempt("write", name, () => {
      const file = join(this.#path, name);
      // A name without a unit suffix: systemd passes over it, also if a crash leaves it here. The unit's own name is
      // not in it: that may be as long as a file name can be.
      this.#writes += 1;
      const unfinished = join(this.#path, `.${process.pid}-${this.#writes}.unfinished`);
      try {
        this.#create(unfinished, text);
        makeNewer(unfinished, file);
        renameSync(unfinished, file);
      } catch (error) {
        rmSync(unfinished, { force: true });
        throw error;
      }
    });
  }

  async read(name: string): Promise<string | undefined> {
    return this.#attempt("read", name, () => {
      try {
        return readFileSync(join(this.#path, name), "utf8");
      } catch (error) {
        if (errorCode(error) === "ENOENT") return undefined;
        throw error;
      }
    });
  }

  async remove(name: string): Promise<void> {
    this.#attempt("remove", name, () => rmSync(join(this.#path, name), { force: true }));
  }

  #create(file: string, text: string): void {
    try {
      writeFileSync(file, text, { mode: 0o644 });
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      mkdirSync(this.#path, { recursive: true });
      writeFileSync(file, text, { mode: 0o644 });
    }
  }

  #attempt<Result>(action: string, name: string, work: () => Result): Result {
    try {
      return work();
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
function makeNewer(next: string, previous: string): void {
  const replaced = statSync(previous, { throwIfNoEntry: false });
  if (replaced === undefined) return;
  const { mtimeMs: previousMs } = replaced;
  const { mtimeMs } = statSync(next);
  if (mtimeMs > previousMs) return;
  // Seconds in a double, of which a file system may keep a little less: rounded up that is still a millisecond more.
  const laterSeconds = (Math.ceil(previousMs) + 1) / 1000;
  utimesSync(next, laterSeconds, laterSeconds);
}
