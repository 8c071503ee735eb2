import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DiskUnitDirectory } from "@fleet/systemd";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "fleet-units-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe("DiskUnitDirectory", () => {
  test("creates the directory, and leaves nothing but the file", async () => {
    const path = join(root, "run", "fleet", "units");
    const directory = new DiskUnitDirectory(path);
    await Promise.all([directory.write("a.service", "one"), directory.write("b.service", "two")]);
    await directory.write("a.service", "three");
    expect((await readdir(path)).sort()).toEqual(["a.service", "b.service"]);
    expect(await directory.read("a.service")).toBe("three");
    expect((await stat(join(path, "a.service"))).mode & 0o777).toBe(0o644);
  });

  test("takes the longest name that systemd does", async () => {
    const directory = new DiskUnitDirectory(root);
    const name = `${"n".repeat(247)}.service`;
    await directory.write(name, "one");
    expect(await directory.read(name)).toBe("one");
  });

  test("reading and removing what is not there is no error", async () => {
    const directory = new DiskUnitDirectory(join(root, "nowhere"));
    expect(await directory.read("a.service")).toBeUndefined();
    await directory.remove("a.service");
  });

  test("new content is newer than old content, however quick the writes and whatever the clock", async () => {
    const directory = new DiskUnitDirectory(root);
    const time = async () => (await stat(join(root, "a.service"))).mtimeMs;
    await directory.write("a.service", "0");
    for (let round = 1; round <= 20; round += 1) {
      const before = await time();
      await directory.write("a.service", String(round));
      expect(await time()).toBeGreaterThan(before);
    }
    const inAnHour = Math.floor(Date.now() / 1000) + 3600;
    await utimes(join(root, "a.service"), inAnHour, inAnHour);
    // What is written as a whole number of milliseconds may be stored as a little less.
    for (let round = 1; round <= 100; round += 1) {
      const before = await time();
      await directory.write("a.service", `set back ${round}`);
      expect(await time()).toBeGreaterThan(before);
    }
  });

  test("failures carry a stable code and the errno", async () => {
    await writeFile(join(root, "file"), "");
    const directory = new DiskUnitDirectory(join(root, "file"));
    await expect(directory.write("a.service", "x")).rejects.toMatchObject({
      code: "unit_directory_failed",
      message: expect.stringMatching(/write unit file a\.service: (EEXIST|ENOTDIR)/),
    });
    await expect(directory.read("a.service")).rejects.toMatchObject({
      code: "unit_directory_failed",
      message: expect.stringContaining("ENOTDIR"),
    });
  });

  test("a write that fails half way leaves no unfinished file", async () => {
    const directory = new DiskUnitDirectory(root);
    await directory.write("a.service", "x");
    await rm(join(root, "a.service"));
    // Renaming a file over a directory fails after the new content was written.
    await mkdir(join(root, "a.service"));
    await expect(directory.write("a.service", "y")).rejects.toMatchObject({ code: "unit_directory_failed" });
    expect(await readdir(root)).toEqual(["a.service"]);
  });
});
