import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** What reads files of its own package at run time: it is imported from where it is installed. */
const INSTALLED = ["etcd3", "dbus-next", "@grpc/grpc-js", "cockatiel"];

/**
 * Bundles the simulation with the sources of the packages below `root`, which may be a changed copy of the checkout.
 * Returns the file to run.
 */
export async function bundleSimulation(checkout, root, name) {
  const directory = join(checkout, "node_modules/.cache/fleet-simulation");
  mkdirSync(directory, { recursive: true });
  const outfile = join(directory, `${name}.mjs`);
  const sources = {
    name: "sources",
    setup(bundle) {
      bundle.onResolve({ filter: /^@fleet\// }, ({ path }) => {
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
    entryPoints: [join(root, "test/simulation/program.ts")],
    outfile,
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
  return outfile;
}
