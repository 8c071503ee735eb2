import { cp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildDashboard } from "@fleet/dashboard/build";
import { build } from "esbuild";

/**
 * Bundles the daemon into `bundle/`, or the directory given. V8 keeps the text of all code that runs in memory, at two
 * bytes a character where one is not Latin-1: minified it takes some 10 MB less on each machine. Traces can be read
 * all the same: functions keep their names.
 */
const packageDirectory = fileURLToPath(new URL(".", import.meta.url));
const outdir = resolve(process.argv[2] ?? `${packageDirectory}/bundle`);
const require = createRequire(import.meta.url);

await rm(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: packageDirectory,
  entryPoints: { "program/fleetd": "src/main.ts" },
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  platform: "node",
  target: "node20",
  format: "esm",
  // Workspace packages from their source: bundling needs no compilation first.
  conditions: ["source"],
  // Ways to a message bus that fleetd never takes.
  external: ["usocket", "x11"],
  banner: {
    // What is CommonJS asks for Node's own modules, and etcd's client for the files beside it.
    js: 'import{createRequire as requireOf}from"node:module";const require=requireOf(import.meta.url),__dirname=import.meta.dirname;',
  },
});
// What is read at run time, relative to the modules that read it: its own manifest, the dashboard, and etcd's protocol.
await cp(join(packageDirectory, "package.json"), join(outdir, "package.json"));
await buildDashboard(join(outdir, "ui"));
await cp(join(dirname(require.resolve("etcd3/package.json")), "proto"), join(outdir, "proto"), {
  recursive: true,
});
