// `npm test`: everything from a bare clone. Arguments go to vitest: `npm test -- --project unit`.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { checkout, orExplain, prepare } from "./prepare.mjs";

const PURE_PROJECTS = new Set(["unit", "scenario", "simulation"]);
/** Those that need no machines. */
const BARE_PROJECTS = new Set([...PURE_PROJECTS, "browser"]);

const args = process.argv.slice(2);
const projects = args.flatMap((arg, index) => {
  if (arg.startsWith("--project=")) return [arg.slice("--project=".length)];
  return arg === "--project" ? [args[index + 1]] : [];
});
const machines = projects.length === 0 || projects.some((project) => !BARE_PROJECTS.has(project));
const browser =
  projects.length === 0 || projects.some((project) => project === "browser" || project.startsWith("e2e"));

await orExplain(() => {
  try {
    prepare({ machines, fullMachines: machines, browser });
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
