import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];

let registry: RegistryTwin;
let served: ServedApi;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry);
  for (const name of ["a.service", "b.service"])
    await registry.intents.put({ name, options, target: "launched" });
});

afterEach(() => served.stop());

const post = (body: unknown) => served.ask("POST", "/fleet/v1/restarts", { body });

describe("POST /restarts", () => {
  test("creates a request, which GET tells of and DELETE forgets, below either prefix", async () => {
    const created = await post({ units: ["b.service", "a.service", "b.service"], parallel: 2 });
    expect(created.status).toBe(201);
    const restart = await served.client.createRestart({ units: ["a.service"] });
    expect(restart).toMatchObject({ units: ["a.service"], parallel: 1, state: "running", steps: [] });
    const listed = await served.ask("GET", "/v1-alpha/restarts");
    expect(listed).toMatchObject({ status: 200, json: { restarts: [restart, created.json] } });
    expect(await served.client.restarts()).toEqual([restart, created.json]);
    expect(created.json).toMatchObject({ units: ["b.service", "a.service"], parallel: 2 });
    const id = restart?.id ?? "";
    expect(await served.client.restart(id)).toEqual(restart);
    expect(await served.client.cancelRestart(id)).toBe(true);
    expect(await served.client.restart(id)).toBeUndefined();
    expect(await served.client.cancelRestart(id)).toBe(false);
  });

  test.each([
    ["no units", { units: [] }, 400, "units"],
    ["no body", undefined, 415, "only acceptable Content-Type is application/json"],
    ["units that are none", { units: [1] }, 400, "units.0"],
    ["parallel 0", { units: ["a.service"], parallel: 0 }, 400, "parallel"],
    ["half a unit at a time", { units: ["a.service"], parallel: 0.5 }, 400, "parallel"],
    [
      "a unit that is not there",
      { units: ["a.service", "c.service"] },
      404,
      'unit "c.service" does not exist',
    ],
    ["what can be no unit's name", { units: ["a/b"] }, 404, 'unit "a/b" does not exist'],
    ["a template", { units: ["t@.service"] }, 409, 'cannot activate template "t@.service"'],
    [
      "too many",
      { units: Array.from({ length: 1001 }, (_, index) => `u${index}.service`) },
      413,
      "a restart is of at most 1000 units",
    ],
  ])("refuses %s", async (_, body, status, text) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({ error: { code: status, message: expect.stringContaining(text) } });
  });

  test.each([
    [
      { outcome: "refused", reason: "inactive", unit: "a.service" },
      409,
      'cannot restart unit "a.service" in state inactive',
    ],
    [{ outcome: "refused", reason: "too_many_stopped", limit: 100 }, 413, "at most 100 of the units"],
    [{ outcome: "refused", reason: "too_many_restarts", limit: 200 }, 503, "there are 200 restarts already"],
  ] as const)("refuses what the registry does: %o", async (refusal, status, text) => {
    registry.restartRefusal = refusal;
    const answer = await post({ units: ["a.service"] });
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ error: { message: expect.stringContaining(text) } });
  });
});

test.each(["../units/a.service", "none", "ff", "%00"])("there is no restart %s", async (id) => {
  for (const method of ["GET", "DELETE"]) {
    const answer = await served.ask(method, `/fleet/v1/restarts/${encodeURIComponent(id)}`);
    expect([method, answer.status]).toEqual([method, 404]);
  }
});

test("etcd away is said as everywhere", async () => {
  registry.goAway();
  for (const [method, path] of [
    ["GET", "/restarts"],
    ["GET", "/restarts/0a"],
    ["DELETE", "/restarts/0a"],
  ] as const) {
    expect((await served.ask(method, `/fleet/v1${path}`)).status).toBe(503);
  }
  expect((await post({ units: ["a.service"] })).status).toBe(503);
});
