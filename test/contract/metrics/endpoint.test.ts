import { once } from "node:events";
import http from "node:http";
import { gunzipSync } from "node:zlib";
import { FleetError } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { addProcessMetrics } from "../../../packages/fleetd/src/process-metrics.ts";
import { PrometheusMetrics } from "../../../packages/fleetd/src/prometheus-metrics.ts";
import { RegistryTwin } from "../api/registry-twin.ts";
import { type ServedApi, serveApi } from "../api/served-api.ts";
import { parseExposition, sampleValue } from "./exposition-format.ts";

const sleeper = [{ name: "ExecStart", section: "Service", value: "/bin/sleep infinity" }];

const wiped = new FleetError("cluster_missing", "wiped");

let registry: RegistryTwin;
let served: ServedApi;

beforeEach(async () => {
  const metrics = new PrometheusMetrics();
  addProcessMetrics(metrics);
  registry = new RegistryTwin();
  served = await serveApi(registry, { metrics, exposition: metrics });
});

afterEach(() => served.stop());

async function scrape() {
  return parseExposition((await served.ask("GET", "/metrics")).text);
}

async function requests(operation: string, status: string): Promise<number | undefined> {
  return sampleValue(await scrape(), "fleet_api_requests_total", { operation, status });
}

describe("GET /metrics", () => {
  test("answers in Prometheus' text format, with what is said of the process", async () => {
    const { status, headers, text } = await served.ask("GET", "/metrics");
    expect([status, headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(headers.server).toBe("fleetd/9.9.9");
    const families = parseExposition(text);
    expect(sampleValue(families, "fleet_build_info", { node_version: process.version })).toBe(1);
    expect(sampleValue(families, "process_resident_memory_bytes")).toBeGreaterThan(0);
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("%s is refused with 405", async (method) => {
    const { status, headers, json } = await served.ask(method, "/metrics");
    expect([status, headers.allow]).toEqual([405, "GET"]);
    expect(json).toMatchObject({ error: { code: 405 } });
  });

  test("HEAD has no body, and no upgrade is taken", async () => {
    const { status, headers, text } = await served.ask("HEAD", "/metrics");
    expect([status, text]).toEqual([200, ""]);
    expect(headers["content-type"]).toMatch(/^text\/plain/);
    const upgrade = { connection: "Upgrade", upgrade: "websocket" };
    expect((await served.ask("GET", "/metrics", { headers: upgrade })).status).toBe(400);
  });

  test("is compressed for whoever asks for it", async () => {
    const { socketPath } = served;
    const headers = { "accept-encoding": "gzip" };
    const request = http.get({ socketPath, path: "/metrics", headers, agent: false });
    const [response]: http.IncomingMessage[] = await once(request, "response");
    expect(response?.headers["content-encoding"]).toBe("gzip");
    const chunks: Buffer[] = [];
    for await (const chunk of response ?? []) chunks.push(Buffer.from(chunk));
    expect(parseExposition(gunzipSync(Buffer.concat(chunks)).toString()).size).toBeGreaterThan(20);
  });

  test.each<[what: string, happen: () => void]>([
    ["etcd is away", () => registry.goAway()],
    ["etcd hangs", () => Object.assign(registry, { store: "hanging" })],
    ["the cluster is frozen", () => Object.assign(registry, { frozen: wiped })],
  ])("answers while %s", async (_what, happen) => {
    happen();
    expect((await served.ask("GET", "/fleet/v1/units")).status).toBe(503);
    const { status, text } = await served.ask("GET", "/metrics");
    expect(status).toBe(200);
    const labels = { operation: "listUnits", status: "5xx" };
    expect(sampleValue(parseExposition(text), "fleet_api_requests_total", labels)).toBe(1);
  });

  test("is not found where there is nothing to show, nor below the API", async () => {
    expect((await served.ask("GET", "/fleet/v1/metrics")).status).toBe(404);
    const without = await serveApi(registry);
    expect((await without.ask("GET", "/metrics")).status).toBe(404);
    await without.stop();
  });
});

describe("requests are counted", () => {
  test("by operation, whatever the unit, and class of status, below either prefix", async () => {
    for (const name of ["a.service", "b.service"]) {
      const body = { name, options: sleeper, desiredState: "launched" };
      expect((await served.ask("PUT", `/fleet/v1/units/${name}`, { body })).status).toBe(201);
      expect((await served.ask("GET", `/v1-alpha/units/${name}`)).status).toBe(200);
    }
    await served.ask("HEAD", "/fleet/v1/units/a.service");
    await served.ask("GET", "/fleet/v1/units/none.service");
    await served.ask("DELETE", "/fleet/v1/units/a.service");
    const families = await scrape();
    const count = (operation: string, status: string) =>
      sampleValue(families, "fleet_api_requests_total", { operation, status });
    expect(count("setUnit", "2xx")).toBe(2);
    expect(count("getUnit", "2xx")).toBe(3);
    expect(count("getUnit", "4xx")).toBe(1);
    expect(count("destroyUnit", "2xx")).toBe(1);
    expect(sampleValue(families, "fleet_api_request_duration_seconds_count", { operation: "getUnit" })).toBe(
      4,
    );
    expect((await served.ask("GET", "/metrics")).text).not.toContain(".service");
  });

  test("as one, whatever was asked for that is not there", async () => {
    for (let index = 0; index < 20; index += 1) await served.ask("GET", `/made/up/${index}`);
    await served.ask("TRACE", "/fleet/v1/units");
    await served.ask("GET", "/fleet/v1/units/%zz");
    expect(await requests("other", "4xx")).toBe(22);
    expect(await requests("metrics", "2xx")).toBe(1);
  });

  test("streams as well, open ones and refused ones", async () => {
    const stop = new AbortController();
    const updates = served.client.watch({}, stop.signal)[Symbol.asyncIterator]();
    await updates.next();
    expect(sampleValue(await scrape(), "fleet_api_streams")).toBe(1);
    expect(await requests("watch", "1xx")).toBe(1);
    const ended = updates.next().catch(() => {});
    stop.abort();
    await ended;
    await vi.waitFor(async () => expect(sampleValue(await scrape(), "fleet_api_streams")).toBe(0));
    const upgrade = { connection: "Upgrade", upgrade: "websocket", origin: "http://elsewhere" };
    expect((await served.ask("GET", "/fleet/v1/watch", { headers: upgrade })).status).toBe(403);
    expect(await requests("watch", "4xx")).toBe(1);
  });
});
