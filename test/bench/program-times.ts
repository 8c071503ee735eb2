import { spawn } from "node:child_process";
import { once } from "node:events";
import { programOf } from "@fleet/lab";
import { type Measurement, spreadOf } from "./benchmark.ts";

/** What any program of Node takes: to start, and to end. */
const BARE_NODE = [process.execPath, "-e", "0"] as const;

/** Runs that do not count: the first find caches cold. */
export const warmUpRuns = 2;

export interface ProgramTimes {
  /** Milliseconds of each run of fleetctl, from asking for the process until it is gone and all it printed is read. */
  readonly fleetctl: readonly number[];
  readonly bareNode: readonly number[];
}

/**
 * Runs fleetctl once for each command line, and bare Node after each: what else happens on the host slows both. Each
 * output is given to `check`, which throws when it is not what was to be measured. The first `warmUpRuns` do not count.
 */
export async function besideBareNode(
  endpoint: string,
  commandLines: readonly (readonly string[])[],
  check: (output: string) => void,
): Promise<ProgramTimes> {
  const fleetctl: number[] = [];
  const bareNode: number[] = [];
  const environment = { ...process.env, FLEETCTL_ENDPOINT: endpoint };
  for (const args of commandLines) {
    const ours = await runToItsEnd([programOf("fleetctl"), ...args], environment);
    check(ours.output);
    fleetctl.push(ours.ms);
    bareNode.push((await runToItsEnd(BARE_NODE, environment)).ms);
  }
  return { fleetctl: fleetctl.slice(warmUpRuns), bareNode: bareNode.slice(warmUpRuns) };
}

/** The whole process, and what of it is fleet's: the median of one less the median of the other. */
export function programFigures(
  figure: string,
  { fleetctl, bareNode }: ProgramTimes,
  mostMs: number,
): readonly Measurement[] {
  const limit = { what: "bare node -e 0", value: spreadOf(bareNode).median };
  const value = spreadOf(fleetctl).median;
  return [
    { figure, value, unit: "ms", limit },
    {
      figure: `${figure}, beyond bare node`,
      value: value - limit.value,
      unit: "ms",
      bars: [{ of: "value", atMost: mostMs }],
    },
  ];
}

async function runToItsEnd(
  [program, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly ms: number; readonly output: string }> {
  const begunMs = performance.now();
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const printed: Buffer[] = [];
  const said: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => printed.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => said.push(bytes));
  await once(child, "close");
  const ms = performance.now() - begunMs;
  if (child.exitCode === 0) return { ms, output: Buffer.concat(printed).toString() };
  throw new Error(`${program} ${args.join(" ")} failed:\n${Buffer.concat(said).toString()}`);
}
