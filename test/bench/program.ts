// `npm run bench`: what fleet takes, and what its parts would take at best, measured in the same run.

import { parseArgs } from "node:util";
import { type Benchmark, type Figure, type Scale, summarize } from "./benchmark.ts";
import { benchmarks } from "./benchmarks/index.ts";
import { tableOf } from "./report.ts";

const usage = `npm run bench -- [NAME...] [--runs N] [--json] [--smoke] [--profile DIR]

Measures on this machine, each figure beside the limit that its parts set, and exits with 1 when a bar is missed.
  NAME           these benchmarks only; without any, all
  --list         the benchmarks, and what each measures
  --runs N       this many runs of each; medians are held against the bars
  --json         the result as JSON
  --smoke        a fiftieth of everything, once: whether the benchmarks work, not how fast fleet is; no bar counts
  --profile DIR  leave a CPU profile of each of its processes there`;

class UsageError extends Error {}

interface Request {
  readonly chosen: readonly Benchmark[];
  readonly runs: number | undefined;
  readonly json: boolean;
  readonly smoke: boolean;
}

const fullScale: Scale = (fullSize) => fullSize;
const smokeScale: Scale = (fullSize) => Math.max(1, Math.round(fullSize / 50));

function readRequest(): Request | "help" | "list" {
  const options = {
    runs: { type: "string" },
    json: { type: "boolean" },
    smoke: { type: "boolean" },
    list: { type: "boolean" },
    help: { type: "boolean" },
  } as const;
  const { values, positionals } = parse(() => parseArgs({ options, allowPositionals: true }));
  if (values.help === true) return "help";
  if (values.list === true) return "list";
  const runs = values.runs === undefined ? undefined : Number(values.runs);
  if (runs !== undefined && !(Number.isInteger(runs) && runs > 0)) {
    throw new UsageError(`--runs must be a whole number above 0, not ${values.runs}`);
  }
  const chosen = positionals.map((name) => {
    const found = benchmarks.find((benchmark) => benchmark.name === name);
    if (found === undefined) throw new UsageError(`there is no benchmark ${name}: npm run bench -- --list`);
    return found;
  });
  return {
    chosen: chosen.length === 0 ? benchmarks : chosen,
    runs,
    json: values.json === true,
    smoke: values.smoke === true,
  };
}

function parse<Parsed>(read: () => Parsed): Parsed {
  try {
    return read();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function main(): Promise<number> {
  const request = readRequest();
  if (request === "help") {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  if (request === "list") {
    for (const { name, what } of benchmarks) process.stdout.write(`${name.padEnd(16)} ${what}\n`);
    return 0;
  }
  const figures: Figure[] = [];
  for (const benchmark of request.chosen) figures.push(...(await measure(benchmark, request)));
  process.stdout.write(request.json ? `${JSON.stringify({ figures }, null, 2)}\n` : `${tableOf(figures)}\n`);
  if (request.smoke) return figures.every(({ value }) => Number.isFinite(value.median)) ? 0 : 1;
  return figures.every(({ bars }) => bars.every(({ met }) => met)) ? 0 : 1;
}

async function measure(benchmark: Benchmark, request: Request): Promise<readonly Figure[]> {
  const { smoke, runs = smoke ? 1 : benchmark.runs } = request;
  const measured = [];
  for (let run = 1; run <= runs; run += 1) {
    const begunMs = performance.now();
    const progress = (line: string): void => {
      const seconds = ((performance.now() - begunMs) / 1_000).toFixed(1);
      process.stderr.write(`${benchmark.name} ${run}/${runs} ${seconds.padStart(6)} s  ${line}\n`);
    };
    progress(benchmark.what);
    measured.push(await benchmark.run(progress, smoke ? smokeScale : fullScale));
  }
  return summarize(benchmark.name, measured);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${usage}\n`);
  process.exitCode = 2;
}
