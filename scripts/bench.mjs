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
// For all of its processes: they start others with the options that they were started with.
const profile = process.argv.indexOf("--profile");
const [, directory] = profile === -1 ? [] : process.argv.splice(profile, 2);
const options = directory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${directory}`];
const nodeArguments = ["--enable-source-maps", ...options, program, ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, nodeArguments, {
  cwd: checkout,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
