import type { Step } from "@fleet/core";
import { silentLogger } from "@fleet/runtime";
import { describe, expect, test } from "vitest";
import { engineMetrics } from "../../../packages/engine/src/engine-metrics.ts";
import { tellSteps } from "../../../packages/engine/src/step-report.ts";
import { PrometheusMetrics } from "../../../packages/fleetd/src/prometheus-metrics.ts";

function assigned(count: number): readonly Step[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: "assign",
    assignment: {
      machineId: "m1",
      unit: `u${index}.service`,
      hash: "a".repeat(40),
      target: "launched",
      generation: 1,
      awaits: [],
    },
    reason: { kind: "least_loaded", load: 0 },
  }));
}

async function told(steps: readonly Step[]) {
  const lines = { info: [] as string[], debug: [] as string[] };
  const exposition = new PrometheusMetrics();
  tellSteps(steps, {
    logger: {
      ...silentLogger,
      info: (event, fields) => lines.info.push(`${event} ${JSON.stringify(fields)}`),
      debug: (event) => lines.debug.push(event),
    },
    metrics: engineMetrics(exposition, () => undefined),
  });
  const counted = (await exposition.text())
    .split("\n")
    .filter((line) => /^fleet_engine_steps_total/.test(line));
  return { ...lines, counted };
}

describe("what is told of the steps that were carried out", () => {
  test("few are told one by one", async () => {
    const { info, debug, counted } = await told(assigned(200));
    expect(info).toHaveLength(200);
    expect(info[7]).toBe(
      'unit_assigned {"unit":"u7.service","machine":"m1","target":"launched","reason":"least_loaded"}',
    );
    expect(debug).toEqual([]);
    expect(counted).toEqual(['fleet_engine_steps_total{step="assign",reason="least_loaded"} 200']);
  });

  test("of very many how many there were of each kind, and each for who looks closely", async () => {
    const settled: Step = { kind: "settle", machineId: "m1", registration: 7, spared: [] };
    const { info, debug, counted } = await told([...assigned(2_000), settled]);
    expect(info).toEqual([
      'steps_carried_out {"step":"assign","reason":"least_loaded","count":2000}',
      'steps_carried_out {"step":"settle","reason":"registered","count":1}',
    ]);
    expect(debug).toHaveLength(2_001);
    expect(counted).toEqual([
      'fleet_engine_steps_total{step="assign",reason="least_loaded"} 2000',
      'fleet_engine_steps_total{step="settle",reason="registered"} 1',
    ]);
  });
});
