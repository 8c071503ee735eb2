/**
 * What the parts of fleet count and measure, apart from how it gets to whoever watches. Every component declares its
 * own metrics in one file (`engine-metrics.ts`, …) and is given this port; fleetd has the implementation that Prometheus
 * reads, everything else works with the silent one.
 *
 * A label's values must come from a short list that nobody outside decides on: states, reasons, error codes, never names
 * of units or machines. Each combination of values is a time series that is kept for months.
 */
export interface Metrics {
  /** The counter of this name; declared again (by the components after a reload), it goes on from where it was. */
  counter<Label extends string = never>(definition: MetricDefinition<Label>): Counter<Label>;
  /** As `counter`. */
  histogram<Label extends string = never>(definition: HistogramDefinition<Label>): Histogram<Label>;
  /** `read` is asked whenever somebody looks, and must be quick. Declared again, the last `read` counts. */
  gauge<Label extends string = never>(
    definition: MetricDefinition<Label>,
    read: () => Iterable<GaugeSample<Label>>,
  ): void;
}

export interface MetricDefinition<Label extends string> {
  /** `fleet_<component>_<what>_<unit>` in base units (seconds, bytes); counters end in `_total`. */
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly labels?: readonly Label[];
}

export interface HistogramDefinition<Label extends string> extends MetricDefinition<Label> {
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

export type LabelValues<Label extends string> = Readonly<Record<Label, string>>;

export interface Counter<Label extends string = never> {
  /** `amount` is 1 unless given; with 0 the series begins to exist. */
  add(labels: LabelValues<Label>, amount?: number): void;
}

export interface Histogram<Label extends string = never> {
  observe(value: number, labels: LabelValues<Label>): void;
}

export interface GaugeSample<Label extends string = never> {
  readonly value: number;
  readonly labels: LabelValues<Label>;
}

/** Bounds in seconds for what takes between a millisecond and a few seconds: requests, plans. */
export const latencyBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** Forgets everything at once. */
export const silentMetrics: Metrics = {
  counter: () => ({ add: () => {} }),
  histogram: () => ({ observe: () => {} }),
  gauge: () => {},
};
