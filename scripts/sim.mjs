// `npm run sim`: see test/simulation/program.ts.

import { spawnSync } from "node:child_process";
import { bundleSources } from "./bundle-sources.mjs";
import { checkout } from "./prepare.mjs";

const [program] = await bundleSources({
  checkout,
  root: checkout,
  directory: `fleet-simulation/${process.pid}`,
  entries: ["test/simulation/program.ts"],
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", program, ...process.argv.slice(2)], {
  cwd: checkout,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
