import { FleetError } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];

let registry: RegistryTwin;
let served: ServedApi;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry);
  await registry.intents.put({ name: "a.service", options, target: "launched" });
});
afterEach(() => served.stop());

describe("seeding the registry anew", () => {
  test("is begun while all else is refused, told of, and finished once", async () => {
    registry.frozen = new FleetError("cluster_missing", "etcd no longer knows cluster c1");
    expect(await served.ask("GET", "/fleet/v1/units")).toMatchObject({ status: 503 });
    expect(await served.client.reseed()).toMatchObject({
      state: "frozen",
      clusterID: "c1",
      reason: "etcd no longer knows cluster c1",
      found: { units: 0, keys: 0 },
    });
    const begun = await served.client.beginReseed(undefined);
    expect(begun).toEqual({
      state: "running",
      clusterID: "c1",
      epoch: 2,
      units: 1,
      machines: [
        {
          machineID: "m1",
          state: "contributed",
          units: 3,
          left: [{ unit: "x.service", reason: "duplicate" }],
        },
        { machineID: "m2", state: "awaited", units: 0, left: [] },
      ],
      misplaced: [
        {
          unit: "y.service",
          machineID: "m1",
          metadata: "role",
          text: "lacks the metadata role that it asks for",
        },
      ],
    });
    expect(await served.client.reseed()).toEqual(begun);
    expect(await served.client.finishReseed()).toMatchObject({ state: "healthy" });
    await expect(served.client.finishReseed()).rejects.toMatchObject({ status: 409 });
    await expect(served.client.beginReseed(undefined)).rejects.toMatchObject({ status: 409 });
  });

  test.each([
    ["PUT", "/fleet/v1/units/b.service", { desiredState: "inactive", options }, 201],
    ["DELETE", "/fleet/v1/units/a.service", undefined, 204],
    ["POST", "/v1-alpha/restarts", { units: ["a.service"] }, 201],
  ])("%s %s waits until it is finished", async (method, path, body, status) => {
    registry.seeding = "running";
    const asking = body === undefined ? {} : { body };
    expect(await served.ask(method, path, asking)).toMatchObject({
      status: 503,
      json: { error: { message: expect.stringContaining("fleetctl reseed --finish") } },
    });
    expect(await served.ask("GET", "/fleet/v1/units/a.service")).toMatchObject({ status: 200 });
    expect(await served.ask("PATCH", "/fleet/v1/machines", { body: [] })).toMatchObject({ status: 204 });
    registry.seeding = "finished";
    expect(await served.ask(method, path, asking)).toMatchObject({ status });
  });

  test("etcd being away is no state of the registry", async () => {
    registry.store = "away";
    expect(await served.ask("GET", "/fleet/v1/reseed")).toMatchObject({ status: 503 });
    expect(await served.ask("GET", "/fleet/v1/backup")).toMatchObject({ status: 503 });
  });
});
