import { silentMetrics } from "@fleet/runtime";
import { beforeEach, describe, expect, test } from "vitest";
import { PrometheusMetrics } from "../../../packages/fleetd/src/prometheus-metrics.ts";
import { parseExposition, sampleValue } from "../../contract/metrics/exposition-format.ts";

let metrics: PrometheusMetrics;

beforeEach(() => {
  metrics = new PrometheusMetrics();
});

async function read(name: string, labels?: Readonly<Record<string, string>>): Promise<number | undefined> {
  return sampleValue(parseExposition(await metrics.text()), name, labels);
}

describe("PrometheusMetrics", () => {
  test("a counter counts by labels, and goes on when it is declared again", async () => {
    const definition = { name: "fleet_t_total", help: "h", labels: ["kind"] } as const;
    metrics.counter(definition).add({ kind: "a" });
    metrics.counter(definition).add({ kind: "a" }, 2);
    metrics.counter(definition).add({ kind: 'odd "\\\n' }, 0);
    expect(await read("fleet_t_total", { kind: "a" })).toBe(3);
    expect(await read("fleet_t_total", { kind: 'odd "\\\n' })).toBe(0);
  });

  test("a histogram sorts into its buckets, and goes on when it is declared again", async () => {
    const definition = { name: "fleet_t_seconds", help: "h", buckets: [0.1, 1] };
    metrics.histogram(definition).observe(0.05, {});
    metrics.histogram(definition).observe(0.5, {});
    metrics.histogram(definition).observe(5, {});
    const counts = ["0.1", "1", "+Inf"].map((le) => read("fleet_t_seconds_bucket", { le }));
    expect(await Promise.all(counts)).toEqual([1, 2, 3]);
    expect(await read("fleet_t_seconds_sum")).toBeCloseTo(5.55);
  });

  test("a gauge is read whenever somebody looks, by whom it was declared last", async () => {
    const definition = { name: "fleet_t", help: "h", labels: ["state"] } as const;
    let value = 1;
    metrics.gauge(definition, () => [{ value: 99, labels: { state: "before" } }]);
    metrics.gauge(definition, () => [{ value, labels: { state: "now" } }]);
    expect(await read("fleet_t", { state: "now" })).toBe(1);
    value = 2;
    expect(await read("fleet_t", { state: "now" })).toBe(2);
    expect(await read("fleet_t", { state: "before" })).toBeUndefined();
  });

  test("a gauge that has nothing to say has no series, not one of 0", async () => {
    metrics.gauge({ name: "fleet_t", help: "h" }, () => []);
    expect(await read("fleet_t")).toBeUndefined();
  });

  test("a reading that fails is an error, not a page without it", async () => {
    metrics.gauge({ name: "fleet_t", help: "h" }, () => {
      throw new Error("out of order");
    });
    await expect(metrics.text()).rejects.toThrow("out of order");
  });

  test("says what was declared, each once", () => {
    metrics.counter({ name: "fleet_b_total", help: "b", labels: ["kind"] });
    metrics.counter({ name: "fleet_b_total", help: "b", labels: ["kind"] });
    metrics.gauge({ name: "fleet_a", help: "a" }, () => []);
    expect(metrics.registered()).toEqual([
      { name: "fleet_a", type: "gauge", help: "a", labels: [] },
      { name: "fleet_b_total", type: "counter", help: "b", labels: ["kind"] },
    ]);
  });
});

test("the silent metrics never read a gauge", () => {
  const read = (): never => {
    throw new Error("read");
  };
  silentMetrics.gauge({ name: "fleet_t", help: "h" }, read);
  silentMetrics.counter({ name: "fleet_t_total", help: "h" }).add({});
  silentMetrics.histogram({ name: "fleet_t_seconds", help: "h", buckets: [1] }).observe(1, {});
});
