import { appendFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JournalFile } from "@fleet/agent";
import type { JournalEntry } from "@fleet/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleet-journal-"));
  path = join(directory, "state", "journal");
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function entry(unit: string, overrides: Partial<JournalEntry> = {}): JournalEntry {
  return { unit, hash: "h1", generation: 3, launched: true, phase: "loaded", ...overrides };
}

async function opened(boot = "boot-1"): Promise<{ journal: JournalFile; entries: readonly JournalEntry[] }> {
  const journal = new JournalFile(path, boot);
  return { journal, entries: await journal.load() };
}

describe("JournalFile", () => {
  test("starts empty where there is no file", async () => {
    expect((await opened()).entries).toEqual([]);
  });

  test("remembers what was put and forgets what was removed", async () => {
    const { journal } = await opened();
    await journal.put(entry("a.service"));
    await journal.put(entry("b.service"));
    await journal.put(entry("a.service", { generation: 4, launched: false, problem: "no such alias" }));
    await journal.remove("b.service");
    expect((await opened()).entries).toEqual([
      entry("a.service", { generation: 4, launched: false, problem: "no such alias" }),
    ]);
  });

  test("remembers restarts, those under way too, and forgets them with the boot", async () => {
    const { journal } = await opened("boot-1");
    const restarted = entry("a.service", { restart: { number: 7, refused: "bad setting" } });
    const restarting = entry("b.service", { restarting: { number: 8, invocation: "abc" } });
    await journal.put(restarted);
    await journal.put(restarting);
    expect((await opened("boot-1")).entries).toEqual([restarted, restarting]);
    for (const { restart, restarting: underWay } of (await opened("boot-2")).entries) {
      expect([restart, underWay]).toEqual([undefined, undefined]);
    }
  });

  test("is read where there is no room to rewrite it, unless what it says is of another boot", async () => {
    const { journal } = await opened("boot-1");
    await journal.put(entry("a.service"));
    // As on a full disk, nothing can be written beside it; what is there already can be appended to.
    await mkdir(`${path}.next`);
    const { journal: next, entries } = await opened("boot-1");
    expect(entries).toEqual([entry("a.service")]);
    await next.put(entry("b.service"));
    expect((await opened("boot-1")).entries).toEqual([entry("a.service"), entry("b.service")]);
    await expect(opened("boot-2")).rejects.toMatchObject({ code: "journal_failed" });
  });

  test("survives a crash in the middle of a line", async () => {
    const { journal } = await opened();
    await journal.put(entry("a.service"));
    await appendFile(path, '\n{"unit":"b.service","hash":"h2","gen');
    const { journal: next, entries } = await opened();
    expect(entries).toEqual([entry("a.service")]);
    await next.put(entry("c.service"));
    expect((await opened()).entries.map((item) => item.unit)).toEqual(["a.service", "c.service"]);
  });

  test("a line that a full disk cut short does not take the next one with it", async () => {
    const { journal } = await opened();
    await appendFile(path, '\n{"unit":"b.service","hash":"h2","gen');
    await journal.put(entry("a.service"));
    expect((await opened()).entries).toEqual([entry("a.service")]);
  });

  test("after a reboot the files are still fleet's, but no intent counts as carried out", async () => {
    const { journal } = await opened("boot-1");
    await journal.put(entry("a.service", { phase: "unloading" }));
    expect((await opened("boot-2")).entries).toEqual([
      entry("a.service", { generation: 0, launched: false, phase: "loading" }),
    ]);
  });

  test("keeps its file in proportion to its entries", async () => {
    const { journal } = await opened();
    for (let generation = 1; generation <= 2500; generation += 1) {
      await journal.put(entry("a.service", { generation }));
    }
    expect((await readFile(path, "utf8")).split("\n").length).toBeLessThan(1100);
    expect((await opened()).entries).toEqual([entry("a.service", { generation: 2500 })]);
  });

  test("a journal that cannot be written is a retryable failure", async () => {
    const { journal } = await opened();
    await rm(join(directory, "state"), { recursive: true });
    await expect(journal.put(entry("a.service"))).rejects.toMatchObject({
      code: "journal_failed",
      retryable: true,
    });
  });
});
