// `npm test`: everything from a bare clone. Arguments go to vitest: `npm test -- --project unit`.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { checkout, orExplain, prepare } from "./prepare.mjs";

const PURE_PROJECTS = new Set(["unit", "scenario", "simulation"]);

const args = process.argv.slice(2);
const projects = args.flatMap((arg, index) => {
  if (arg.startsWith("--project=")) return [arg.slice("--project=".length)];
  return arg === "--project" ? [args[index + 1]] : [];
});
const machines = projects.length === 0 || projects.some((project) => !PURE_PROJECTS.has(project));

await orExplain(() => {
  try {
    prepare({ machines, fullMachines: machines });
  } catch (error) {
    if (!machines || !(error instanceof Error)) throw error;
    const pure = [...PURE_PROJECTS].map((project) => `--project ${project}`).join(" ");
    throw new Error(`${error.message}\nThe tests that need no machines: npm test -- ${pure}`, {
      cause: error,
    });
  }
});

// Drills take minutes each and are asked for by name: `npm run drill`.
const chosen = projects.length === 0 ? ["--project=!drill"] : [];
const { status } = spawnSync(
  process.execPath,
  [join(checkout, "node_modules/vitest/vitest.mjs"), "run", ...args, ...chosen],
  { cwd: checkout, stdio: "inherit" },
);
process.exitCode = status ?? 1;
