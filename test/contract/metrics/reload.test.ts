import { afterEach, beforeEach, expect, test } from "vitest";
import { parseExposition, sampleValue } from "./exposition-format.ts";
import { LoneDaemon } from "./lone-daemon.ts";

let daemon: LoneDaemon;

beforeEach(async () => {
  daemon = await LoneDaemon.start();
});

afterEach(() => daemon.stop());

test("a reload builds the components anew, and their counters go on", async () => {
  const refused = { operation: "listUnits", status: "5xx" };
  const scrape = async () => parseExposition(await daemon.get("/metrics"));
  await daemon.get("/fleet/v1/units");
  await daemon.get("/fleet/v1/units");
  const before = await scrape();
  expect(sampleValue(before, "fleet_api_requests_total", refused)).toBe(2);
  await daemon.reload();
  await daemon.get("/fleet/v1/units");
  const after = await scrape();
  expect(sampleValue(after, "fleet_api_requests_total", refused)).toBe(3);
  expect([...after.keys()]).toEqual([...before.keys()]);
  const failures = { operation: "txn", code: "etcd_unavailable" };
  const failed = sampleValue(before, "fleet_registry_request_failures_total", failures) ?? 0;
  expect(sampleValue(after, "fleet_registry_request_failures_total", failures)).toBeGreaterThan(failed);
  expect(sampleValue(after, "fleet_engine_leader")).toBe(0);
});
