/** A bar that a figure is held against. */
export interface Bar {
  /** Of what: the figure itself, or its ratio to the limit. */
  readonly of: "value" | "ratio";
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** What could be had at best, measured in the same run. */
interface Limit {
  readonly what: string;
  readonly value: number;
}

/** One figure of one run. */
export interface Measurement {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  readonly limit?: Limit;
  readonly bars?: readonly Bar[];
}

/** Where a benchmark reports how far it is: people wait for minutes. */
export type Progress = (line: string) => void;

/** How much of a full size (units, machines, repetitions, milliseconds) is run: all of it, or little for a smoke test. */
export type Scale = (fullSize: number) => number;

export interface Benchmark {
  readonly name: string;
  /** One line: what is measured, on what. */
  readonly what: string;
  /** How often it is run unless the command line says otherwise. */
  readonly runs: number;
  /** One run from nothing; leaves nothing behind. */
  run(progress: Progress, scale: Scale): Promise<readonly Measurement[]>;
}

/** Median, least and most of several runs. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** One figure over all runs. */
export interface Figure {
  readonly benchmark: string;
  readonly figure: string;
  readonly unit: string;
  readonly runs: number;
  readonly value: Spread;
  readonly limit?: { readonly what: string; readonly value: Spread };
  /** Of each run's own value and limit. */
  readonly ratio?: Spread;
  readonly bars: readonly { readonly bar: Bar; readonly met: boolean }[];
}

/** `values` must not be empty. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted[middle - 1] ?? upper;
  return {
    median: sorted.length % 2 === 1 ? upper : (lower + upper) / 2,
    least: sorted[0] ?? Number.NaN,
    most: sorted.at(-1) ?? Number.NaN,
  };
}

/** The nearest-rank percentile, `share` from 0 to 1. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Puts the runs of one benchmark together, figure by figure; bars are held against medians. */
export function summarize(benchmark: string, runs: readonly (readonly Measurement[])[]): readonly Figure[] {
  const byFigure = new Map<string, Measurement[]>();
  for (const measurement of runs.flat()) {
    const same = byFigure.get(measurement.figure);
    if (same === undefined) byFigure.set(measurement.figure, [measurement]);
    else same.push(measurement);
  }
  return [...byFigure.values()].map((same) => summarizeFigure(benchmark, same));
}

function summarizeFigure(benchmark: string, runs: readonly Measurement[]): Figure {
  const [first] = runs;
  if (first === undefined) throw new Error(`${benchmark} measured nothing`);
  const value = spreadOf(runs.map((run) => run.value));
  const limits = runs.flatMap(({ limit }) => (limit === undefined ? [] : [limit.value]));
  const ratios = runs.flatMap((run) => (run.limit === undefined ? [] : [run.value / run.limit.value]));
  const ratio = ratios.length === 0 ? undefined : spreadOf(ratios);
  const held = { value: value.median, ratio: ratio?.median ?? Number.NaN };
  return {
    benchmark,
    figure: first.figure,
    unit: first.unit,
    runs: runs.length,
    value,
    ...(first.limit === undefined ? {} : { limit: { what: first.limit.what, value: spreadOf(limits) } }),
    ...(ratio === undefined ? {} : { ratio }),
    bars: (first.bars ?? []).map((bar) => ({ bar, met: isMet(bar, held[bar.of]) })),
  };
}

function isMet({ atMost, atLeast }: Bar, value: number): boolean {
  if (Number.isNaN(value)) return false;
  return (atMost === undefined || value <= atMost) && (atLeast === undefined || value >= atLeast);
}
