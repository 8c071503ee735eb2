import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { useLabCluster } from "./lab-cluster.ts";

const PAIRS = 25;
/** What list-machines may take beyond what Node needs to start, on a host where that takes no longer than this. */
const BOUND_MS = 60;

const fleetctl = fileURLToPath(new URL("../../packages/fleetctl/bin/fleetctl.js", import.meta.url));
const lab = useLabCluster({ machines: [{}] });

/** Milliseconds from spawning Node until it has exited, which must be with 0. */
async function run(args: readonly string[]): Promise<number> {
  const env = { ...process.env, FLEETCTL_ENDPOINT: lab.machine("m1").endpoint };
  const startedMs = performance.now();
  const [code] = await once(spawn(process.execPath, args, { env, stdio: "ignore" }), "exit");
  expect(code).toBe(0);
  return performance.now() - startedMs;
}

/** The value that a part of the values does not exceed. */
function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}

it("list-machines takes hardly longer than Node's own start", async () => {
  const bare: number[] = [];
  const ours: number[] = [];
  // The first pair warms the file cache, and Node's compile cache where it has one.
  for (let pair = 0; pair <= PAIRS; pair++) {
    bare.push(await run(["-e", "0"]));
    ours.push(await run([fleetctl, "list-machines"]));
  }
  const [a, b] = [bare.slice(1), ours.slice(1)];
  console.info(
    [0, 0.25, 0.5]
      .map((part) => ({ part, of: quantile(a, part), with: quantile(b, part) }))
      .map(
        (row) =>
          `quantile ${row.part}: node -e 0 ${row.of.toFixed(1)} ms, list-machines +${(row.with - row.of).toFixed(1)} ms`,
      )
      .join("\n"),
  );
  // What else the host does only ever adds to a time: the faster runs tell more of the program. A host that is slow
  // throughout is slow at Node's start as well, and gets as much again.
  const nodeMs = quantile(a, 0.25);
  expect(quantile(b, 0.25) - nodeMs).toBeLessThanOrEqual(Math.max(BOUND_MS, nodeMs));
});
