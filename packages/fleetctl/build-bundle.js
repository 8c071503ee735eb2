import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Bundles the command line into `bundle/`, or the directory given: Node starts faster from a few files than
 * from hundreds, and code splitting keeps every verb, and the WebSocket library, out of the way of the others.
 */
const packageDirectory = fileURLToPath(new URL(".", import.meta.url));
const outdir = resolve(process.argv[2] ?? `${packageDirectory}/bundle`);

// Names carry hashes of their content: what an earlier build left would stay for ever.
await rm(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: packageDirectory,
  entryPoints: ["src/main.ts"],
  outdir,
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node20",
  format: "esm",
  // Workspace packages from their source: bundling needs no compilation first.
  conditions: ["source"],
  // What only --driver=etcd needs stays outside: etcd's client reads files that lie beside it.
  external: ["@grpc/grpc-js", "cockatiel", "etcd3", "fastify", "ini", "zod"],
  // The WebSocket library is CommonJS and requires Node's modules, which an ES module has no `require` for.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});
