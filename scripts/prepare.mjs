// Makes a checkout ready to run: dependencies, build, programs of the operating system. Works from a bare clone,
// so it uses nothing but Node. Also a program: `npm run bootstrap`.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeProblem } from "./node-version.mjs";
import { providePrograms } from "./programs.mjs";

/** Root directory of the checkout. */
export const checkout = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Installs and builds what is missing or stale. Throws an Error with a message for people when something cannot
 * be had.
 *
 * @param {{ machines: boolean, fullMachines?: boolean, browser?: boolean }} needs machines: whether real machines and
 * etcd will be run; fullMachines: whether also such with a network of their own; browser: whether the dashboard is looked at
 */
export function prepare(needs) {
  const say = (line) => process.stderr.write(`» ${line}\n`);
  requireNode();
  if (needs.machines || needs.browser === true) {
    const problem = providePrograms(say, needs);
    if (problem !== undefined) throw new Error(problem);
  }
  if (!dependenciesAreCurrent()) {
    say("Installing dependencies (npm ci)");
    npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  }
  // The compiler is incremental: where nothing has changed this takes a second.
  say("Building (npm run build)");
  npm(["run", "build", "--silent"]);
}

/** Runs a preparation, or anything else that may fail for a reason to be told, and exits with 1 if it does. */
export async function orExplain(work) {
  try {
    return await work();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
}

function requireNode() {
  const { engines } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  const problem = nodeProblem(process.versions.node, engines.node);
  if (problem !== undefined) throw new Error(problem);
}

/** Whether node_modules holds what package-lock.json asks for: npm notes there what it has installed. */
function dependenciesAreCurrent() {
  const installedPath = join(checkout, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return false;
  // A program that a package has gained since is no dependency: npm links it all the same.
  const programs = ["fleetd", "fleetctl", "fleet-lab"];
  if (!programs.every((name) => existsSync(join(checkout, "node_modules", ".bin", name)))) return false;
  const wanted = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedPath, "utf8")).packages;
  return Object.entries(wanted)
    .filter(([path, entry]) => path.includes("node_modules/") && entry.optional !== true)
    .every(([path, entry]) =>
      entry.link === true ? existsSync(join(checkout, path)) : installed[path]?.version === entry.version,
    );
}

function npm(args) {
  const { status, error } = spawnSync("npm", args, {
    cwd: checkout,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) {
    throw new Error(`npm ${args.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await orExplain(() => prepare({ machines: true, fullMachines: true, browser: true }));
}
