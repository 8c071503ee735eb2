import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { JournalEntry } from "@fleet/core";
import { FleetError } from "@fleet/runtime";
import { z } from "zod";
import type { JournalStore } from "./ports.ts";

const header = z.object({ boot: z.string() });
const entrySchema = z.object({
  unit: z.string(),
  hash: z.string(),
  generation: z.number(),
  launched: z.boolean(),
  phase: z.enum(["loading", "loaded", "unloading"]),
  exclusive: z.literal(true).exactOptional(),
  fenced: z.literal(true).exactOptional(),
  problem: z.string().exactOptional(),
  refusal: z.string().exactOptional(),
  restart: z.object({ number: z.number(), refused: z.string().exactOptional() }).exactOptional(),
  restarting: z.object({ number: z.number(), invocation: z.string() }).exactOptional(),
});
const line = z.union([entrySchema, z.object({ removed: z.string() })]);

/** The file is rewritten when it holds this many lines more than entries. */
const slackLines = 1000;

/**
 * The journal as a file of JSON lines: the first names the boot, each later one replaces or removes an entry.
 *
 * Invariants:
 * - a line is complete or, cut short by a crash or a full disk, ignored; each begins with its own line break, so
 *   that none is glued to such a one;
 * - entries of another boot say which files exist, but nothing of theirs counts as carried out.
 *
 * Written at once, for the reason that DiskUnitDirectory gives.
 */
export class JournalFile implements JournalStore {
  readonly #path: string;
  readonly #boot: string;
  readonly #entries = new Map<string, JournalEntry>();
  #lines = 0;

  /**
   * @param path file to keep the journal in, on tmpfs beside the units
   * @param boot id of the present boot (`/proc/sys/kernel/random/boot_id`)
   */
  constructor(path: string, boot: string) {
    this.#path = path;
    this.#boot = boot;
  }

  async load(): Promise<readonly JournalEntry[]> {
    const text = this.#read();
    const [first, ...rest] = text.split("\n");
    const sameBoot = parseLine(header, first)?.boot === this.#boot;
    for (const raw of rest) {
      const change = parseLine(line, raw);
      if (change === undefined) continue;
      if ("removed" in change) this.#entries.delete(change.removed);
      else this.#entries.set(change.unit, sameBoot ? change : asWrittenOnly(change));
    }
    try {
      this.#attempt(() => this.#rewrite());
    } catch (error) {
      // The file as it is says the same, only longer: without room for another, what it says still holds.
      if (!sameBoot) throw error;
      this.#lines = rest.length + 1;
    }
    return [...this.#entries.values()];
  }

  async put(entry: JournalEntry): Promise<void> {
    this.#entries.set(entry.unit, entry);
    this.#append(JSON.stringify(entry));
  }

  async remove(unit: string): Promise<void> {
    this.#entries.delete(unit);
    this.#append(JSON.stringify({ removed: unit }));
  }

  #append(text: string): void {
    this.#attempt(() => {
      if (this.#lines > this.#entries.size + slackLines) this.#rewrite();
      else {
        appendFileSync(this.#path, `\n${text}`);
        this.#lines += 1;
      }
    });
  }

  #rewrite(): void {
    const lines = [JSON.stringify({ boot: this.#boot })];
    for (const entry of this.#entries.values()) lines.push(JSON.stringify(entry));
    const next = `${this.#path}.next`;
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(next, lines.join("\n"));
    renameSync(next, this.#path);
    this.#lines = lines.length;
  }

  #read(): string {
    try {
      return readFileSync(this.#path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
      throw journalError(this.#path, error);
    }
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw journalError(this.#path, error);
    }
  }
}

function parseLine<Value>(schema: z.ZodType<Value>, raw: string | undefined): Value | undefined {
  if (raw === undefined || raw === "") return undefined;
  try {
    return schema.safeParse(JSON.parse(raw)).data;
  } catch {
    // Only a line that was cut short is not JSON; what it would have said was never acknowledged.
    return undefined;
  }
}

function asWrittenOnly(entry: JournalEntry): JournalEntry {
  return { unit: entry.unit, hash: entry.hash, generation: 0, launched: false, phase: "loading" };
}

function journalError(path: string, cause: unknown): FleetError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new FleetError("journal_failed", `cannot keep the journal ${path}: ${reason}`, {
    retryable: true,
    cause,
  });
}
