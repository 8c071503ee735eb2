// `npm run drill`: lists the drills; `npm run drill -- NAME...|all` plays them. Exit code 0: every promise held;
// 1: one was broken, or a drill could not be played here; 2: wrong usage.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chosenDrills, DRILLS, drillList } from "./drills.mjs";
import { checkout, orExplain, prepare } from "./prepare.mjs";

const { list, unknown, names, options } = chosenDrills(process.argv.slice(2));
if (unknown.length > 0) {
  process.stderr.write(`no such drill: ${unknown.join(", ")}. There are:\n${drillList()}`);
  process.exitCode = 2;
} else if (list) {
  process.stdout.write(`Drills: npm run drill -- NAME, or all\n${drillList()}`);
} else {
  process.exitCode = await orExplain(playAll);
}

async function playAll() {
  const reason = await withoutFullMachines();
  const results = names.map((name) => {
    if (!DRILLS.get(name)?.full || reason === undefined) return play(name);
    process.stderr.write(`${name} takes full machines, and none can run here: ${reason}\n`);
    return { held: false, text: `${name}: not played, no full machines here` };
  });
  if (results.length > 1) process.stdout.write(`\n${results.map(({ text }) => `${text}\n`).join("")}`);
  return results.every(({ held }) => held) ? 0 : 1;
}

/** Prepares what can be played. Why no full machine can run here; undefined when one can, or none is needed. */
async function withoutFullMachines() {
  const needed = names.filter((name) => DRILLS.get(name)?.full);
  const mayNot = needed.length > 0 && process.getuid?.() !== 0;
  if (mayNot && needed.length === names.length) return "they need root";
  prepare({ machines: true, fullMachines: needed.length > 0 });
  if (mayNot || needed.length === 0) return mayNot ? "they need root" : undefined;
  const { hostAbilities } = await import(pathToFileURL(join(checkout, "packages/lab/dist/index.js")).href);
  const { fullMachines } = await hostAbilities();
  return fullMachines.possible ? undefined : fullMachines.reason;
}

function play(name) {
  const startedAt = performance.now();
  const { status } = spawnSync(
    process.execPath,
    [
      ...[join(checkout, "node_modules/vitest/vitest.mjs"), "run", "--project=drill"],
      // A timeline is read while it happens. With a value: vitest would take the file for it, and play every drill.
      ...["--disable-console-intercept=true", ...options, `test/drills/${name}.test.ts`],
    ],
    { cwd: checkout, stdio: "inherit" },
  );
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const held = status === 0;
  return { held, text: `${name}: ${held ? "held" : "BROKEN"} (${seconds} s)` };
}
