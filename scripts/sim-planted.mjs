// `npm run sim:planted [-- NAME…]`: plants each bug of test/simulation/planted in a copy of the sources and tells how
// many seeds the simulation takes to find it. Exits with 1 when one is not found.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleSources } from "./bundle-sources.mjs";
import { checkout } from "./prepare.mjs";

/** A bug that so many whole clusters do not show is not found. */
const MOST_SEEDS = 50;

const planted = join(checkout, "test/simulation/planted");
const names = process.argv.slice(2);
const patches = readdirSync(planted)
  .filter((file) => file.endsWith(".patch") && (names.length === 0 || names.includes(file.slice(0, -6))))
  .sort();

/** The simulation with the sources below `root`, as one file. */
async function bundle(root, name) {
  const directory = `fleet-simulation/${process.pid}-${name}`;
  const [program] = await bundleSources({
    checkout,
    root,
    directory,
    entries: ["test/simulation/program.ts"],
  });
  return program;
}

function copySources(root) {
  for (const name of readdirSync(join(checkout, "packages"))) {
    cpSync(join(checkout, "packages", name, "src"), join(root, "packages", name, "src"), { recursive: true });
  }
  cpSync(join(checkout, "test/simulation"), join(root, "test/simulation"), { recursive: true });
}

function play(program, ...args) {
  const { stdout } = spawnSync(process.execPath, ["--no-warnings", program, ...args, "--json"], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}

/** The first seed that fails with the bug and passes without it. */
function firstFinding(program) {
  for (let first = 1, seconds = 0; first <= MOST_SEEDS; ) {
    const report = play(
      program,
      "--first",
      `${first}`,
      "--seeds",
      `${MOST_SEEDS + 1 - first}`,
      "--stop-at-first",
    );
    seconds += report.seconds;
    const [failure] = report.failures;
    if (failure === undefined) return undefined;
    if (play(unchanged, "--seed", `${failure.seed}`).failures.length === 0) return { ...failure, seconds };
    first = failure.seed + 1;
  }
  return undefined;
}

async function hunt(patch) {
  const root = mkdtempSync(join(tmpdir(), "fleet-planted-"));
  try {
    copySources(root);
    const applied = spawnSync("patch", ["-p1", "--fuzz=1", "--silent", "-i", join(planted, patch)], {
      cwd: root,
      encoding: "utf8",
    });
    if (applied.status !== 0) return { found: false, text: `does not apply: ${applied.stdout.trim()}` };
    const finding = firstFinding(await bundle(root, "planted"));
    if (finding === undefined) return { found: false, text: `NOT FOUND in ${MOST_SEEDS} seeds` };
    const { seed, seconds, reason } = finding;
    return { found: true, text: `seed ${seed}, ${seconds.toFixed(0)} s: ${reason.slice(0, 120)}` };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const unchanged = await bundle(checkout, "unchanged");
let missed = 0;
for (const patch of patches) {
  const { found, text } = await hunt(patch);
  if (!found) missed += 1;
  console.log(`${patch.slice(0, -6).padEnd(36)} ${text}`);
}
console.log(`${patches.length - missed} of ${patches.length} planted bugs found`);
process.exitCode = missed === 0 ? 0 : 1;
