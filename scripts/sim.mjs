// `npm run sim`: see test/simulation/program.ts.

import { spawnSync } from "node:child_process";
import { checkout } from "./prepare.mjs";
import { bundleSimulation } from "./simulation-bundle.mjs";

const program = await bundleSimulation(checkout, checkout, `program-${process.pid}`);
const { status } = spawnSync(process.execPath, ["--enable-source-maps", program, ...process.argv.slice(2)], {
  cwd: checkout,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
