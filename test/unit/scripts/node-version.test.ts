import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";

const root = new URL("../../../", import.meta.url);
const { nodeProblem } = await import(new URL("scripts/node-version.mjs", root).href);

async function rangeOf(path: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(`${path}package.json`, root), "utf8")).engines?.node;
}

describe("the versions of Node", () => {
  it.each<[version: string, fits: boolean]>([
    ["18.20.8", false],
    ["20.16.0", false],
    ["20.17.0", true],
    ["20.20.2", true],
    // Without process.getBuiltinModule, which the bundle of fleetctl calls.
    ["21.7.3", false],
    ["22.0.0", false],
    ["22.2.0", false],
    ["22.3.0", true],
    ["24.1.0", true],
  ])("%s fits: %j", async (version, fits) => {
    expect(nodeProblem(version, await rangeOf(""))).toBe(
      fits ? undefined : `Node ^20.17 || >=22.3 is needed; this is ${version}`,
    );
  });

  it("are the same in every package", async () => {
    const packages = (await readdir(new URL("packages", root))).sort();
    const ranges = await Promise.all(packages.map((name) => rangeOf(`packages/${name}/`)));
    expect(new Set(ranges)).toEqual(new Set([await rangeOf("")]));
  });
});
