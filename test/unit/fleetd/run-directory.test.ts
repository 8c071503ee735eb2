import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ClusterMemoryFile } from "../../../packages/fleetd/src/cluster-memory-file.ts";
import { readStartTime, takeProcessLock } from "../../../packages/fleetd/src/process-lock.ts";
import { RunDirectory } from "../../../packages/fleetd/src/run-directory.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetd-run-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** Processes that run, as pid → start time. */
function processes(running: Readonly<Record<number, string>>) {
  return async (pid: number) => running[pid];
}

describe("takeProcessLock", () => {
  test("refuses a second process while the first lives, and names it", async () => {
    const alive = processes({ 10: "100", 11: "110" });
    await takeProcessLock(directory, 10, alive);
    await expect(takeProcessLock(directory, 11, alive)).rejects.toMatchObject({
      code: "already_running",
      message: "another fleetd (process 10) looks after the same units directory",
    });
    expect(await readdir(directory)).toEqual(["lock-10-100"]);
  });

  test("refuses the process that has it already", async () => {
    const alive = processes({ 10: "100" });
    await takeProcessLock(directory, 10, alive);
    await expect(takeProcessLock(directory, 10, alive)).rejects.toMatchObject({ code: "already_running" });
    expect(await readdir(directory)).toEqual(["lock-10-100"]);
  });

  const taken: readonly { what: string; running: Readonly<Record<number, string>> }[] = [
    { what: "that died", running: { 11: "110" } },
    { what: "whose pid another process has now", running: { 10: "999", 11: "110" } },
  ];
  test.each(taken)("takes over from a process $what", async ({ running }) => {
    await takeProcessLock(directory, 10, processes({ 10: "100" }));
    await takeProcessLock(directory, 11, processes(running));
    expect(await readdir(directory)).toEqual(["lock-11-110"]);
  });

  test("of many that come at once after a crash, at most one gets it, and the next one can", async () => {
    await takeProcessLock(directory, 10, processes({ 10: "100" }));
    const pids = Array.from({ length: 20 }, (_, index) => 100 + index);
    const alive = processes(Object.fromEntries(pids.map((pid) => [pid, String(pid)])));
    const outcomes = await Promise.allSettled(pids.map((pid) => takeProcessLock(directory, pid, alive)));
    const holders = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(holders.length).toBeLessThanOrEqual(1);
    for (const holder of holders) await holder.value();
    await takeProcessLock(directory, 200, processes({ 200: "1" }));
    expect(await readdir(directory)).toEqual(["lock-200-1"]);
  });

  test("is free again after its release", async () => {
    const release = await takeProcessLock(directory, 10, processes({ 10: "100" }));
    await release();
    expect(await readdir(directory)).toEqual([]);
  });

  test("a real process has a start time that stays, one that does not run has none", async () => {
    const started = await readStartTime(process.pid);
    expect(started).toMatch(/^\d+$/);
    expect(await readStartTime(process.pid)).toBe(started);
    expect(await readStartTime(2 ** 22 + 1)).toBeUndefined();
  });
});

describe("RunDirectory", () => {
  test("keeps its token over restarts, for no one else to read", async () => {
    const units = join(directory, "run", "units");
    const first = await RunDirectory.open(units, process.pid);
    expect(first.token).toMatch(/^[0-9a-f]{32}$/);
    expect((await stat(join(first.path, "token"))).mode & 0o777).toBe(0o600);
    await first.close();
    const second = await RunDirectory.open(units, process.pid);
    expect(second.token).toBe(first.token);
    await second.close();
  });

  test("two directories have different tokens", async () => {
    const one = await RunDirectory.open(join(directory, "one"), process.pid);
    const other = await RunDirectory.open(join(directory, "other"), process.pid);
    expect(one.token).not.toBe(other.token);
    await Promise.all([one.close(), other.close()]);
  });

  test("is open once at a time", async () => {
    const first = await RunDirectory.open(directory, process.pid);
    await expect(RunDirectory.open(directory, process.pid)).rejects.toMatchObject({
      code: "already_running",
    });
    await first.close();
  });

  test("says why it cannot be used", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    await expect(RunDirectory.open(file, process.pid)).rejects.toMatchObject({
      code: "run_directory_failed",
      message: expect.stringContaining(`cannot use ${file}/.fleet: `),
    });
  });
});

describe("ClusterMemoryFile", () => {
  const cluster = { id: "c1", epoch: 1, createRevision: 2, revision: 40 };

  test("remembers over restarts, and forgets when told", async () => {
    const path = join(directory, "cluster.json");
    expect(await new ClusterMemoryFile(path).load()).toBeUndefined();
    await new ClusterMemoryFile(path).save(cluster);
    expect(await new ClusterMemoryFile(path).load()).toEqual(cluster);
    await new ClusterMemoryFile(path).forget();
    await new ClusterMemoryFile(path).forget();
    expect(await new ClusterMemoryFile(path).load()).toBeUndefined();
  });

  test("of a release without epochs it is the first one, and what a machine owes is kept", async () => {
    const path = join(directory, "cluster.json");
    await writeFile(path, '{"id":"c1","createRevision":2,"revision":40}');
    expect(await new ClusterMemoryFile(path).load()).toEqual(cluster);
    await new ClusterMemoryFile(path).save({ ...cluster, epoch: 2, owesUnits: true });
    expect(await new ClusterMemoryFile(path).load()).toEqual({ ...cluster, epoch: 2, owesUnits: true });
  });

  test("of saves at once the last one stays", async () => {
    const memory = new ClusterMemoryFile(join(directory, "cluster.json"));
    await Promise.all([41, 42, 43].map((revision) => memory.save({ ...cluster, revision })));
    expect(await memory.load()).toEqual({ ...cluster, revision: 43 });
  });

  test.each(["", "{", "{}", '{"id":"","createRevision":2,"revision":40}'])(
    "a file that holds %j is an error, not an empty memory",
    async (text) => {
      const path = join(directory, "cluster.json");
      await writeFile(path, text);
      await expect(new ClusterMemoryFile(path).load()).rejects.toMatchObject({
        code: "cluster_memory_unreadable",
      });
    },
  );

  test("a save that fails rejects, and the next one works", async () => {
    const place = join(directory, "not-yet");
    const memory = new ClusterMemoryFile(join(place, "cluster.json"));
    await expect(memory.save(cluster)).rejects.toMatchObject({ code: "ENOENT" });
    await mkdir(place);
    await memory.save(cluster);
    expect(await memory.load()).toEqual(cluster);
  });
});
