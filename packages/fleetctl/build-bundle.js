import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Bundles the command line into `bundle/`, or the directory given: Node starts faster from a few files than
 * from hundreds, and code splitting keeps every verb, and the WebSocket library, out of the way of the others.
 * Beside it, in `man/`, go the manual pages.
 */
const packageDirectory = fileURLToPath(new URL(".", import.meta.url));
const outdir = resolve(process.argv[2] ?? `${packageDirectory}/bundle`);

// Names carry hashes of their content: what an earlier build left would stay for ever.
await rm(outdir, { recursive: true, force: true });
/** @type {import("esbuild").BuildOptions} */
const common = {
  absWorkingDir: packageDirectory,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  // Workspace packages from their source: bundling needs no compilation first.
  conditions: ["source"],
};
await build({
  ...common,
  entryPoints: ["src/main.ts"],
  outdir,
  splitting: true,
  // What only --driver=etcd needs stays outside: etcd's client reads files that lie beside it.
  external: ["@grpc/grpc-js", "cockatiel", "etcd3", "fastify", "ini", "zod"],
  // The WebSocket library is CommonJS and requires Node's modules, which an ES module has no `require` for. Every
  // file has this line, and most need it never: it must cost nothing.
  banner: {
    js: 'const require = (name) => { const found = process.getBuiltinModule(name); if (found === undefined) throw new Error("no module " + name); return found; };',
  },
});

const { outputFiles } = await build({ ...common, entryPoints: ["src/manual/pages.ts"], write: false });
const source = Buffer.from(outputFiles[0].contents).toString("base64");
const { allPages } = await import(`data:text/javascript;base64,${source}`);
const manualDirectory = resolve(outdir, "../man");
await rm(manualDirectory, { recursive: true, force: true });
await mkdir(manualDirectory);
await Promise.all(
  Object.entries(allPages()).map(([file, page]) => writeFile(join(manualDirectory, file), page)),
);
