import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";
import { describe, expect, it } from "vitest";
import { VERSION } from "../../../packages/fleetctl/src/version.ts";

const packageDirectory = fileURLToPath(new URL("../../../packages/fleetctl/", import.meta.url));

/** As in build-bundle.js. */
const external = ["@grpc/grpc-js", "cockatiel", "etcd3", "fastify", "ini", "protobufjs", "zod"];

/** In pieces, which show what is read together; the command line itself is one file, in which these run when first used. */
function bundled() {
  return build({
    absWorkingDir: packageDirectory,
    entryPoints: ["src/main.ts"],
    outdir: "bundle",
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    conditions: ["source"],
    external,
  });
}

/** The source modules whose code Node must read before the entry runs: all that is imported statically. */
async function usedAtStart(): Promise<readonly string[]> {
  const { metafile } = await bundled();
  return [...withStaticImports(metafile, "bundle/main.js")].flatMap((path) => sourcesOf(metafile, path));
}

function withStaticImports(metafile: Metafile, start: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const next of staticImports(metafile, path)) visit(next);
  };
  visit(start);
  return seen;
}

function sourcesOf(metafile: Metafile, path: string): readonly string[] {
  return Object.keys(metafile.outputs[path]?.inputs ?? {});
}

function staticImports(metafile: Metafile, path: string): readonly string[] {
  const imports = metafile.outputs[path]?.imports ?? [];
  return imports
    .filter(({ kind, external }) => kind === "import-statement" && !external)
    .map((each) => each.path);
}

describe("the bundle", () => {
  it("starts without the schema, HTTP and WebSocket libraries", async () => {
    const used = (await usedAtStart()).join("\n");
    expect(used).toContain("src/run.ts");
    expect(used).not.toMatch(/node_modules/);
    expect(used).not.toMatch(/packages\/api|\.\.\/api/);
  });

  it("reads no schema library for any command", async () => {
    const { metafile } = await bundled();
    expect(Object.keys(metafile.outputs).length).toBeGreaterThan(10);
    const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
    const libraries = inputs.filter(
      ([path, { bytesInOutput }]) => /node_modules/.test(path) && bytesInOutput > 0,
    );
    const names = new Set(libraries.map(([path]) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]));
    expect([...names].sort()).toEqual(["@noble/hashes", "ws"]);
  });

  it("reads etcd's client and the API's server for --driver=etcd alone", async () => {
    const { metafile } = await bundled();
    const withLibraries = Object.keys(metafile.outputs).filter((path) =>
      [...withStaticImports(metafile, path)].some((each) =>
        metafile.outputs[each]?.imports.some((used) => used.external && external.includes(used.path)),
      ),
    );
    const entries = withLibraries.map((path) => metafile.outputs[path]?.entryPoint).filter(Boolean);
    expect(entries).toEqual(["src/etcd-driver/connect-to-etcd.ts"]);
  });

  it("finds the libraries it leaves outside", async () => {
    const require = createRequire(`${packageDirectory}bundle/main.js`);
    for (const library of external) expect(require.resolve(library)).toContain("node_modules");
  });
});

describe("the version", () => {
  it("is that of the package", async () => {
    const manifest: unknown = JSON.parse(await readFile(`${packageDirectory}package.json`, "utf8"));
    expect(manifest).toMatchObject({ version: VERSION });
  });
});
