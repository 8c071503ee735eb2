import { readFile, rm } from "node:fs/promises";
import { errorCode, errorMessage, FleetError } from "@fleet/runtime";
import { z } from "zod";
import { replaceFile } from "./run-directory.ts";

const rememberedSchema = z.object({
  id: z.string().min(1),
  // Files of releases that knew no epochs lack it.
  epoch: z.number().int().positive().default(1),
  createRevision: z.number().int().positive(),
  revision: z.number().int().nonnegative(),
  owesUnits: z.boolean().exactOptional(),
});
type Remembered = z.output<typeof rememberedSchema>;

/** Remembers in a file which cluster this machine belongs to. */
export class ClusterMemoryFile {
  readonly #path: string;
  /** Saves happen one after the other: both would write the same temporary file. */
  #last: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Undefined when nothing is remembered. A file that cannot be read is FleetError `cluster_memory_unreadable`,
   * never "nothing": the daemon might then take an emptied store for a new cluster.
   */
  async load(): Promise<Remembered | undefined> {
    try {
      return rememberedSchema.parse(JSON.parse(await readFile(this.#path, "utf8")));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw new FleetError(
        "cluster_memory_unreadable",
        `cannot tell which cluster this machine belongs to: ${this.#path}: ${errorMessage(error)}`,
        { cause: error },
      );
    }
  }

  save(cluster: Remembered): Promise<void> {
    const saved = this.#last.then(() => replaceFile(this.#path, `${JSON.stringify(cluster)}\n`));
    this.#last = saved.catch(() => {});
    return saved;
  }

  /** For a machine that has left in order: it carries nothing of the cluster any more, and may join another. */
  async forget(): Promise<void> {
    await this.#last;
    await rm(this.#path, { force: true });
  }
}
