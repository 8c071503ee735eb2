import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
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

/**
 * Makes these the files of a directory, one after the other and each at once: commands may run meanwhile. Files of other
 * names, which an earlier build may have left, go last.
 * @param {string} directory
 * @param {ReadonlyMap<string, string | Uint8Array>} files
 */
async function replaceFiles(directory, files) {
  await mkdir(directory, { recursive: true });
  const staging = await mkdtemp(join(directory, "build-"));
  for (const [name, content] of files) {
    await writeFile(join(staging, name), content);
    await rename(join(staging, name), join(directory, name));
  }
  const others = (await readdir(directory)).filter((name) => !files.has(name));
  await Promise.all(others.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}

/** @type {import("esbuild").BuildOptions} */
const common = {
  absWorkingDir: packageDirectory,
  bundle: true,
  platform: "node",
  target: "node20",
  // Workspace packages from their source: bundling needs no compilation first.
  conditions: ["source"],
};
const { outputFiles: bundles } = await build({
  ...common,
  write: false,
  entryPoints: ["src/main.ts"],
  format: "cjs",
  // What only --driver=etcd needs stays outside: etcd's client reads files that lie beside it.
  external: ["@grpc/grpc-js", "cockatiel", "etcd3", "fastify", "ini", "protobufjs", "zod"],
  plugins: [readWhenUsed, webSocketClient],
  // Node's loader of ES modules would be started for the first of them.
  supported: { "dynamic-import": false },
  minifyWhitespace: true,
  minifySyntax: true,
  // See bin/fleetctl.js.
  banner: { js: "(function (require) {" },
  footer: { js: "})" },
});
const code = Buffer.from(bundles[0].contents).toString("latin1");
// V8 tells by the length alone whether code that it kept is of the same source: the name has to tell the rest.
const kept = `main-${createHash("sha256").update(code).digest("hex").slice(0, 16)}.v8`;
const source = `${code}//${kept}`;
const script = new Script(source, { filename: join(outdir, "main.cjs") });
// What is kept first: a command that reads the new source is to find it.
await replaceFiles(
  outdir,
  new Map([
    [kept, script.createCachedData()],
    ["main.cjs", Buffer.from(source, "latin1")],
  ]),
);

const { outputFiles: manuals } = await build({
  ...common,
  entryPoints: ["src/manual/pages.ts"],
  format: "esm",
  write: false,
});
const manual = Buffer.from(manuals[0].contents).toString("base64");
const { allPages } = await import(`data:text/javascript;base64,${manual}`);
await replaceFiles(resolve(outdir, "../man"), new Map(Object.entries(allPages())));
