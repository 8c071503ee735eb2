import type { Exposition } from "@fleet/api";
import type {
  Counter,
  GaugeSample,
  Histogram,
  HistogramDefinition,
  MetricDefinition,
  Metrics,
} from "@fleet/runtime";
import { Gauge, Counter as PromCounter, Histogram as PromHistogram, Registry } from "prom-client";

/** A metric as it is registered, for whoever documents it. */
export interface RegisteredMetric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

/**
 * Metrics that Prometheus reads, in a registry of their own. It outlives the components, which a reload builds anew:
 * counters go on from where they were.
 */
export class PrometheusMetrics implements Metrics, Exposition {
  readonly registry = new Registry();
  readonly #counters = new Map<string, PromCounter>();
  readonly #histograms = new Map<string, PromHistogram>();
  readonly #reads = new Map<string, () => Iterable<GaugeSample<string>>>();
  readonly #registered = new Map<string, RegisteredMetric>();

  counter<Label extends string = never>(definition: MetricDefinition<Label>): Counter<Label> {
    const known = this.#counters.get(definition.name);
    const counter = known ?? new PromCounter(this.#register("counter", definition));
    this.#counters.set(definition.name, counter);
    return { add: (labels, amount = 1) => counter.inc(labels, amount) };
  }

  histogram<Label extends string = never>(definition: HistogramDefinition<Label>): Histogram<Label> {
    const { name, buckets } = definition;
    const known = this.#histograms.get(name);
    const histogram =
      known ?? new PromHistogram({ ...this.#register("histogram", definition), buckets: [...buckets] });
    this.#histograms.set(name, histogram);
    return { observe: (value, labels) => histogram.observe(labels, value) };
  }

  gauge<Label extends string = never>(
    definition: MetricDefinition<Label>,
    read: () => Iterable<GaugeSample<Label>>,
  ): void {
    const reads = this.#reads;
    const { name, labels: labelNames = [] } = definition;
    const isNew = !reads.has(name);
    reads.set(name, read);
    if (!isNew) return;
    new Gauge({
      ...this.#register("gauge", definition),
      collect() {
        this.reset();
        // The library begins with a sample of 0 where there are no labels, also when there is nothing to say.
        if (labelNames.length === 0) this.remove();
        for (const { value, labels } of reads.get(name)?.() ?? []) this.set(labels, value);
      },
    });
  }

  /** What the components have declared, by name; the process's own metrics are not among it. */
  registered(): readonly RegisteredMetric[] {
    return [...this.#registered.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  #register(type: RegisteredMetric["type"], { name, help, labels = [] }: MetricDefinition<string>) {
    this.#registered.set(name, { name, type, help, labels });
    return { name, help, labelNames: [...labels], registers: [this.registry] };
  }
}
