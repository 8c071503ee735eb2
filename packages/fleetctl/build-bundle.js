import { rm } from "node:fs/promises";
import { build } from "esbuild";

/**
 * Bundles the command line: Node starts several times faster from a few files than from hundreds, and code
 * splitting keeps every verb, and the WebSocket library, out of the way of the others.
 */
const directory = new URL(".", import.meta.url).pathname;
// Names carry hashes of their content: what an earlier build left would stay for ever.
await rm(`${directory}bundle`, { recursive: true, force: true });
await build({
  absWorkingDir: directory,
  entryPoints: ["src/main.ts"],
  outdir: "bundle",
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node20",
  format: "esm",
  // Workspace packages from their source: bundling needs no compilation first.
  conditions: ["source"],
  // The WebSocket library is CommonJS and requires Node's modules, which an ES module has no `require` for.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});
