import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import { build } from "esbuild";

/**
 * Bundles the command line into one file in `bundle/`, or the directory given. It is CommonJS, for which Node needs none of
 * its loader of ES modules; what a verb imports when it is called runs only then, and V8 compiles only what runs.
 * Beside it, in `man/`, go the manual pages.
 */
const packageDirectory = fileURLToPath(new URL(".", import.meta.url));
const outdir = resolve(process.argv[2] ?? `${packageDirectory}/bundle`);

/**
 * Modules of Node that the WebSocket library reads when it is loaded and uses only for TLS and compression: milliseconds
 * of a command's start.
 * @type {import("esbuild").Plugin}
 */
const readWhenUsed = {
  name: "read-when-used",
  setup(bundle) {
    const namespace = "read-when-used";
    bundle.onResolve({ filter: /^(https|tls|zlib)$/ }, ({ path, importer }) =>
      importer.includes("node_modules/ws/") ? { path, namespace } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, name) => process.getBuiltinModule("node:${path}")[name] });`,
    }));
  },
};

/**
 * Whoever waits for units needs the client of the WebSocket library alone; the server belongs to --driver=etcd.
 * @type {import("esbuild").Plugin}
 */
const webSocketClient = {
  name: "web-socket-client",
  setup(bundle) {
    const namespace = "web-socket-client";
    bundle.onResolve({ filter: /^ws$/ }, ({ importer }) =>
      importer.includes("/api/src/client/")
        ? { path: createRequire(importer).resolve("ws"), namespace }
        : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: 'export { default as WebSocket } from "./lib/websocket.js";',
      resolveDir: dirname(path),
    }));
  },
};

// An earlier build may have left files of other names.
await rm(outdir, { recursive: true, force: true });
/** @type {import("esbuild").BuildOptions} */
const common = {
  absWorkingDir: packageDirectory,
  bundle: true,
  platform: "node",
  target: "node20",
  // Workspace packages from their source: bundling needs no compilation first.
  conditions: ["source"],
};
await build({
  ...common,
  entryPoints: ["src/main.ts"],
  outfile: join(outdir, "main.cjs"),
  format: "cjs",
  // What only --driver=etcd needs stays outside: etcd's client reads files that lie beside it.
  external: ["@grpc/grpc-js", "cockatiel", "etcd3", "fastify", "ini", "zod"],
  plugins: [readWhenUsed, webSocketClient],
  // Node's loader of ES modules would be started for the first of them.
  supported: { "dynamic-import": false },
  minifyWhitespace: true,
  minifySyntax: true,
  // See bin/fleetctl.js.
  banner: { js: "(function (require) {" },
  footer: { js: "})" },
});
const filename = join(outdir, "main.cjs");
const bundled = new Script(await readFile(filename, "latin1"), { filename });
await writeFile(`${filename}.v8`, bundled.createCachedData());

const { outputFiles } = await build({
  ...common,
  entryPoints: ["src/manual/pages.ts"],
  format: "esm",
  write: false,
});
const source = Buffer.from(outputFiles[0].contents).toString("base64");
const { allPages } = await import(`data:text/javascript;base64,${source}`);
const manualDirectory = resolve(outdir, "../man");
await rm(manualDirectory, { recursive: true, force: true });
await mkdir(manualDirectory);
await Promise.all(
  Object.entries(allPages()).map(([file, page]) => writeFile(join(manualDirectory, file), page)),
);
