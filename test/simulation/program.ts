// `npm run sim`: whole clusters under faults, one per seed, on all cores.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort } from "node:worker_threads";
import { Hunt, type HuntReport } from "./hunt.ts";
import { run, SimulationFailure } from "./run.ts";

const usage = `npm run sim -- [--seed N | [--first N] [--seeds N | --minutes M]] [--workers N] [--stop-at-first] [--json]

Runs simulated clusters, one per seed, and exits with 1 when one of them breaks a promise.
  --seed N         this seed only, with everything it does
  --seeds N        this many seeds (200 unless given), from --first (1 unless given) on
  --minutes M      as many seeds as fit into this time
  --workers N      this many at a time; one per core unless given
  --stop-at-first  end with the first failure
  --json           the result as JSON`;

/** In runs of these seeds nothing fails: what is never excused by a lost machine. */
function isCalm(seed: number): boolean {
  return seed % 10 === 0;
}

/** One seed after the other, as the main thread asks for them. */
function work(port: NonNullable<typeof parentPort>): void {
  // Errors are thrown all the time, and what they say is enough.
  Error.stackTraceLimit = 0;
  port.on("message", async (seed: number) => {
    try {
      // One message for what has ended and what begins: each costs more than most steps.
      let ended: string[] = [];
      const onTrace = (line: string): void => void ended.push(line);
      const onBegin = (line: string): void => {
        port.postMessage({ kind: "trace", line: [...ended, `${line} …`].join("\n") });
        ended = [];
      };
      const onAlive = (): void => port.postMessage({ kind: "alive" });
      const { counts, simulatedMs, steps } = await run(seed, {
        calm: isCalm(seed),
        onTrace,
        onBegin,
        onAlive,
      });
      port.postMessage({ kind: "done", seed, counts, simulatedMs, steps });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const reason = error instanceof SimulationFailure ? error.reason : message;
      port.postMessage({ kind: "failed", seed, reason, message });
    }
  });
}

function countOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isFinite(count) && count > 0) return count;
  throw new Error(`--${name} must be a number above 0, not ${text}`);
}

function told({ seeds, failures, counts, seconds, simulatedHours, steps }: HuntReport): string {
  const lines = [...counts]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, count]) => `  ${name.padEnd(28)} ${count}`);
  const speed = (seeds / Math.max(seconds, 0.001)).toFixed(2);
  return [
    "injected and asked for:",
    ...lines,
    `${seeds} seeds, ${steps} steps, ${simulatedHours.toFixed(1)} simulated hours in ${seconds.toFixed(0)} s: ${speed} seeds/s`,
    failures.length === 0 ? "no violation" : `${failures.length} VIOLATIONS`,
    ...failures.map(({ seed, reason }) => `  seed ${seed}: ${reason}\n    npm run sim -- --seed ${seed}`),
  ].join("\n");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      first: { type: "string" },
      minutes: { type: "string" },
      workers: { type: "string" },
      "stop-at-first": { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    console.log(usage);
    return;
  }
  const seed = countOf(values.seed, "seed");
  const minutes = countOf(values.minutes, "minutes");
  const first = seed ?? countOf(values.first, "first") ?? 1;
  const count = seed === undefined ? (countOf(values.seeds, "seeds") ?? 200) : 1;
  const hunt = new Hunt({
    program: new URL(import.meta.url),
    workers: countOf(values.workers, "workers") ?? availableParallelism(),
    firstSeed: first,
    lastSeed: minutes === undefined ? first + count - 1 : Number.POSITIVE_INFINITY,
    durationMs: minutes === undefined ? Number.POSITIVE_INFINITY : minutes * 60_000,
    stopAtFirst: values["stop-at-first"] === true,
    onFailure: ({ message }) => console.error(`\n${message}\n`),
    onTrace: seed === undefined ? () => {} : (line) => console.error(line),
  });
  // What was found until then is told.
  process.once("SIGINT", () => hunt.stop());
  process.once("SIGTERM", () => hunt.stop());
  const report = await hunt.run();
  const json = { ...report, counts: Object.fromEntries(report.counts) };
  console.log(values.json === true ? JSON.stringify(json, undefined, 2) : told(report));
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}

if (isMainThread) await main();
else if (parentPort !== null) work(parentPort);
