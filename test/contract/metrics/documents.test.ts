import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { declaredMetrics } from "./declared-metrics.ts";
import { type Families, parseExposition } from "./exposition-format.ts";
import { LoneDaemon } from "./lone-daemon.ts";
import { promtool, withoutPromtool } from "./promtool.ts";

const checkout = fileURLToPath(new URL("../../..", import.meta.url));
const examples = join(checkout, "examples/monitoring");
const page = readFileSync(join(checkout, "docs/metrics.md"), "utf8");

const grid = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
const target = z.object({ expr: z.string() });
const panel = z.object({ id: z.number(), gridPos: grid, targets: z.array(target).default([]) });
const dashboardShape = z.object({ panels: z.array(panel).min(20) });

let scraped: string;
let families: Families;

beforeAll(async () => {
  const daemon = await LoneDaemon.start();
  scraped = await daemon.get("/metrics");
  await daemon.stop();
  families = parseExposition(scraped);
});

describe("a daemon's /metrics", () => {
  test("has what the components declare, and of its own nothing else but what is said of the process", () => {
    const own = [...families.values()].filter(({ name }) => name.startsWith("fleet_"));
    const declared = declaredMetrics().map(({ name, type, help }) => ({ name, type, help }));
    expect(own.map(({ name, type, help }) => ({ name, type, help })).sort(byName)).toEqual(declared);
    const others = [...families.keys()].filter((name) => !/^(?:fleet|process|nodejs)_/.test(name));
    expect(others).toEqual([]);
  });

  test.each(declaredMetrics())(
    "$name is named after Prometheus' conventions",
    ({ name, type, help, labels }) => {
      expect(name).toMatch(/^fleet_(?:build|engine|agent|registry|api)_[a-z_]+$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      if (type === "histogram") expect(name).toMatch(/_(?:seconds|bytes)$/);
      expect(name).not.toMatch(/_(?:ms|milliseconds|count|sum|bucket)$/);
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
      for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
    },
  );

  test.each(declaredMetrics().filter(({ labels }) => labels.length > 0))(
    "$name has no label that names a unit or a machine",
    ({ labels }) => {
      expect(
        labels.filter(
          (label) => /unit|machine|name|instance|host|id$/.test(label) && label !== "node_version",
        ),
      ).toEqual([]);
    },
  );

  test.skipIf(withoutPromtool !== undefined)(`promtool finds no fault in it${because()}`, () => {
    // The library's own names of what node says are not ours to change.
    const lines = scraped.split("\n").filter((line) => !/^(?:# \w+ )?nodejs_/.test(line));
    expect(promtool(["check", "metrics"], `${lines.join("\n")}\n`)).toBe("");
  });
});

test("docs/metrics.md lists each metric with type, labels and meaning", () => {
  const listed = [...page.matchAll(/^\| `(fleet_\w+)` +\| (\w+) +\| (.*?) +\| (.+?) +\|$/gm)].map(
    ([, name, type, labels, help]) => ({ name, type, labels, help }),
  );
  const declared = declaredMetrics().map(({ name, type, labels, help }) => {
    return { name, type, labels: labels.map((label) => `\`${label}\``).join(", "), help };
  });
  expect(listed.sort(byName)).toEqual(declared);
});

describe("examples/monitoring", () => {
  const files = ["grafana-dashboard.json", "fleet-alerts.yml", "fleet-alerts.test.yml"];

  test.each(files)("%s names only metrics that a daemon has, with labels that they have", (file) => {
    const text = readFileSync(join(examples, file), "utf8");
    const used = [...text.matchAll(/\b((?:fleet|process|nodejs)_\w+)\b(?:\{(.*?)\})?/g)];
    const known = new Map(declaredMetrics().map((metric) => [metric.name, metric]));
    const names = used.map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !isServed(name))).toEqual([]);
    for (const [, name = "", selector = ""] of used) {
      const labels = [...selector.matchAll(/(\w+)\s*(?:=~|!=|=)/g)].map(([, label = ""]) => label);
      const own = [...(known.get(familyOf(name))?.labels ?? []), "job", "instance", "le"];
      expect([name, labels.filter((label) => !own.includes(label))]).toEqual([name, []]);
    }
  });

  test("every alert is tested, to fire and not to", () => {
    const names = (text: string): readonly string[] =>
      [...text.matchAll(/(?:alert|alertname): (\w+)/g)].map(([, name = ""]) => name);
    const alerts = names(readFileSync(join(examples, "fleet-alerts.yml"), "utf8"));
    const tests = readFileSync(join(examples, "fleet-alerts.test.yml"), "utf8");
    expect(new Set(names(tests))).toEqual(new Set(alerts));
    for (const alert of alerts) {
      expect([alert, new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:`).test(tests)]).toEqual([alert, true]);
    }
  });

  test("the dashboard's panels have ids of their own and do not overlap", () => {
    const panels = dashboardPanels();
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  test.skipIf(withoutPromtool !== undefined)(
    `promtool takes the dashboard's queries${because()}`,
    async () => {
      const queries = dashboardPanels().flatMap(({ targets }) => targets.map(({ expr }) => expr));
      expect(queries.length).toBeGreaterThan(20);
      const rules = queries.map((query, index) => {
        const expr = query
          .replaceAll("$job", "fleet")
          .replaceAll("$instance", ".*")
          .replaceAll("$__rate_interval", "1m");
        return { record: `query_${index}`, expr };
      });
      const directory = await mkdtemp(join(tmpdir(), "fleet-dashboard-"));
      const file = join(directory, "queries.yml");
      // JSON is YAML, too.
      await writeFile(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
      const said = promtool(["check", "rules", file]);
      await rm(directory, { recursive: true });
      expect(said).toContain(`SUCCESS: ${queries.length} rules found`);
    },
  );

  test.skipIf(withoutPromtool !== undefined).each([
    ["check", "config", "prometheus.yml"],
    ["check", "rules", "fleet-alerts.yml"],
    ["test", "rules", "fleet-alerts.test.yml"],
  ])(`promtool %s %s %s${because()}`, (...args) => {
    const file = args.at(-1) ?? "";
    expect(promtool([...args.slice(0, -1), join(examples, file)])).toContain("SUCCESS");
  });
});

function dashboardPanels(): z.infer<typeof dashboardShape>["panels"] {
  const json: unknown = JSON.parse(readFileSync(join(examples, "grafana-dashboard.json"), "utf8"));
  return dashboardShape.parse(json).panels;
}

function because(): string {
  return withoutPromtool === undefined ? "" : ` (skipped: ${withoutPromtool})`;
}

function byName(
  a: { readonly name?: string | undefined },
  b: { readonly name?: string | undefined },
): number {
  return (a.name ?? "") < (b.name ?? "") ? -1 : 1;
}

function familyOf(name: string): string {
  return families.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, "");
}

function isServed(name: string): boolean {
  const family = families.get(familyOf(name));
  return family !== undefined && (family.name === name || family.type === "histogram");
}
