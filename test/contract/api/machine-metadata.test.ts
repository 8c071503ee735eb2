import { MemoryEtcd, MemoryStore, Registry } from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const url = "/fleet/v1/machines";
const m1 = "abcd0001000000000000000000000001";
const set = { op: "add", path: `/${m1}/metadata/role`, value: "web" };

describe("PATCH /machines", () => {
  let registry: RegistryTwin;
  let served: ServedApi;

  beforeEach(async () => {
    registry = new RegistryTwin();
    served = await serveApi(registry);
    registry.machine(m1, "10.0.0.1", { region: "eu", disk: "ssd" });
  });

  afterEach(() => served.stop());

  async function metadata(): Promise<unknown> {
    return (await served.client.machines())[0]?.metadata;
  }

  test.each([url, "/v1-alpha/machines"])("%s adds, replaces and removes", async (path) => {
    expect(await metadata()).toEqual({ region: "eu", disk: "ssd" });
    const answer = await served.ask("PATCH", path, {
      body: [
        set,
        { op: "replace", path: `/${m1}/metadata/region`, value: { value: "cn" } },
        { op: "remove", path: `/${m1}/metadata/disk` },
      ],
    });
    expect([answer.status, answer.text]).toEqual([204, ""]);
    expect(await metadata()).toEqual({ region: "cn", role: "web" });
  });

  test("takes operations in their order", async () => {
    await served.client.patchMachines([set, { ...set, op: "remove" }, { ...set, value: "db" }]);
    expect(await metadata()).toMatchObject({ role: "db" });
  });

  test("is answered when an open cache shows it", async () => {
    await metadata();
    registry.held = true;
    const patched = served.client.patchMachines([set]);
    setTimeout(() => registry.deliver(), 50);
    await patched;
    expect(registry.held).toBe(false);
    expect(await metadata()).toMatchObject({ role: "web" });
  });

  test("takes any machine and any key the path allows, and nothing at all", async () => {
    registry.machine("not yet", "");
    await served.client.patchMachines([{ ...set, path: "/not yet/metadata/A-z_0.9" }]);
    await served.client.patchMachines([]);
    expect((await served.client.machines())[1]).toMatchObject({ metadata: { "A-z_0.9": "web" } });
  });

  const badOp = "invalid op: expect add, remove, or replace";
  const badPath = "machine metadata path invalid";
  const noValue = "invalid value: add and replace require a value";
  const undecodable = expect.stringContaining("unable to decode body");

  test.each<[what: string, operation: unknown, message: unknown]>([
    ["another op", { ...set, op: "test" }, badOp],
    ["no op", { path: set.path, value: "x" }, badOp],
    ["a wrong op before a wrong path", { op: "move", path: "/" }, badOp],
    ["no path", { op: "add", value: "x" }, badPath],
    ["no key", { ...set, path: `/${m1}/metadata/` }, badPath],
    ["no machine", { ...set, path: "//metadata/role" }, badPath],
    ["something else of a machine", { ...set, path: `/${m1}/primaryIP` }, badPath],
    ["a longer path", { ...set, path: `/${m1}/metadata/role/x` }, badPath],
    ["a path that goes on in another line", { ...set, path: `${set.path}\n` }, badPath],
    ["a key with a space", { ...set, path: `/${m1}/metadata/my role` }, badPath],
    ["a path that is wrong for remove, too", { op: "remove", path: "/x" }, badPath],
    ["no value", { op: "add", path: set.path }, noValue],
    ["null for a value", { ...set, op: "replace", value: null }, noValue],
    ["an empty value", { ...set, value: "" }, noValue],
    ["an empty wrapped value", { ...set, value: {} }, noValue],
    ["a number", { ...set, value: 1 }, undecodable],
    ["no object", "add", undecodable],
  ])("refuses all for %s", async (_what, operation, message) => {
    const answer = await served.ask("PATCH", url, { body: [set, operation] });
    expect([answer.status, answer.json]).toEqual([400, { error: { code: 400, message } }]);
    expect(await metadata()).toEqual({ region: "eu", disk: "ssd" });
  });

  const json = { "content-type": "application/json" };

  test.each<[what: string, raw: string, headers: Record<string, string>, status: number]>([
    ["no content type", JSON.stringify([set]), {}, 415],
    ["another content type", JSON.stringify([set]), { "content-type": "text/plain" }, 415],
    ["no list", JSON.stringify(set), json, 400],
    ["no JSON", "[", json, 400],
    ["nothing", "", json, 400],
    ["too many bytes", JSON.stringify([{ ...set, value: "x".repeat(8 * 1024 * 1024) }]), json, 413],
  ])("refuses %s", async (_what, raw, headers, status) => {
    const answer = await served.ask("PATCH", url, { raw, headers });
    expect([answer.status, answer.json]).toEqual([
      status,
      { error: { code: status, message: expect.any(String) } },
    ]);
    expect(await metadata()).toEqual({ region: "eu", disk: "ssd" });
  });
});

test("a value that no etcd takes is 413, and nothing of its list is carried out", async () => {
  const etcd = new MemoryEtcd(systemClock);
  const store = new MemoryStore(etcd);
  const registry = new Registry({
    store,
    prefix: "/fleet/",
    memory: { load: async () => undefined, save: async () => {} },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  await registry.guard.open(new AbortController().signal);
  const served = await serveApi(registry);
  const large = { ...set, path: `/${m1}/metadata/large`, value: "x".repeat(2 * 1024 * 1024) };
  expect((await served.ask("PATCH", url, { body: [set, large] })).status).toBe(413);
  expect((await store.range({ from: "/fleet/metadata/", to: "/fleet/metadata0" })).rows).toEqual([]);
  await served.stop();
  store.close();
  etcd.close();
});
