// `npm run bench`: see test/bench/program.ts.

import { spawnSync } from "node:child_process";
import { bundleSources } from "./bundle-sources.mjs";
import { checkout } from "./prepare.mjs";

const [program] = await bundleSources({
  checkout,
  root: checkout,
  directory: "fleet-bench",
  entries: ["test/bench/program.ts", "test/bench/engine-process.ts", "test/bench/agents-process.ts"],
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", program, ...process.argv.slice(2)], {
  cwd: checkout,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
