import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

/** What reads files of its own package at run time: it is imported from where it is installed. */
const INSTALLED = ["etcd3", "dbus-next", "@grpc/grpc-js", "cockatiel", "protobufjs", "@fleet/lab"];

/**
 * Bundles each entry, a file below `root`, with the sources of the packages there; `root` may be a changed copy of the
 * checkout. Returns the files to run, in the same order, in a directory of this name that other runs may share.
 */
export async function bundleSources({ checkout, root, directory, entries }) {
  const outdir = join(checkout, "node_modules/.cache", directory);
  mkdirSync(outdir, { recursive: true });
  const sources = {
    name: "sources",
    setup(bundle) {
      bundle.onResolve({ filter: /^@fleet\// }, ({ path }) => {
        if (INSTALLED.includes(path)) return { path, external: true };
        const [, packageName, ...rest] = path.split("/");
        const manifest = join(checkout, "packages", packageName, "package.json");
        const entry = [".", ...rest].join("/");
        const source = JSON.parse(readFileSync(manifest, "utf8")).exports?.[entry]?.source;
        const file = source === undefined ? undefined : join(root, "packages", packageName, source);
        if (file === undefined || !existsSync(file)) return { errors: [{ text: `no source for ${path}` }] };
        return { path: file };
      });
    },
  };
  await build({
    entryPoints: entries.map((entry) => join(root, entry)),
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    logLevel: "error",
    external: INSTALLED,
    nodePaths: [join(checkout, "node_modules")],
    plugins: [sources],
    // CommonJS inside the bundle asks for Node's own modules.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
  return entries.map((entry) => join(outdir, `${basename(entry, ".ts")}.mjs`));
}
