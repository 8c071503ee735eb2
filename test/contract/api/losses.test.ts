import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const at = "2026-11-20T12:00:00.000Z";

let registry: RegistryTwin;
let served: ServedApi;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry);
  registry.machine("m1", "10.0.0.1");
});

afterEach(() => served.stop());

function entry<Value>(value: Value) {
  return {
    status: "present" as const,
    value,
    createRevision: registry.revision + 1,
    modRevision: registry.revision + 1,
  };
}

function hold(...machines: readonly string[]): void {
  const value = { atMs: Date.parse(at), vanished: 3, of: 4, machines };
  registry.write({ kind: "mass-loss", entry: entry(value) });
}

const get = (path: string) => served.ask("GET", `/fleet/v1/${path}`);

describe("GET /losses and GET /machines", () => {
  test("tell of no mass loss while there is none", async () => {
    expect((await get("losses")).json).toEqual({});
    expect((await get("machines")).json).toEqual({ machines: [expect.objectContaining({ id: "m1" })] });
    expect(await served.client.massLoss()).toBeUndefined();
  });

  test("tell of one, without what is confirmed already, until nothing of it is left", async () => {
    hold("m2", "m3", "m4");
    const massLoss = { at, vanished: 3, of: 4, machines: ["m2", "m3", "m4"] };
    expect((await get("losses")).json).toEqual({ massLoss });
    expect((await get("machines")).json).toMatchObject({ machines: [{ id: "m1" }], massLoss });
    const told: unknown[] = [];
    await served.client.machines(undefined, (loss) => told.push(loss));
    expect(told).toEqual([massLoss]);
    registry.write({ kind: "confirmed-losses", entry: entry({ machines: ["m3"] }) });
    expect(await served.client.massLoss()).toEqual({ ...massLoss, machines: ["m2", "m4"] });
    registry.write({ kind: "confirmed-losses", entry: entry({ machines: ["m2", "m3", "m4"] }) });
    expect((await get("losses")).json).toEqual({});
    const absent = { status: "absent", modRevision: registry.revision + 1 } as const;
    registry.write({ kind: "mass-loss", entry: absent }, { kind: "confirmed-losses", entry: absent });
    expect((await get("losses")).json).toEqual({});
  });

  test("keep what they knew of a record that can no longer be read", async () => {
    hold("m2", "m3", "m4");
    await get("losses");
    const corrupt = { status: "corrupt", problem: "not JSON", modRevision: registry.revision + 1 } as const;
    registry.write({ kind: "mass-loss", entry: corrupt });
    expect((await get("losses")).json).toMatchObject({ massLoss: { vanished: 3 } });
  });
});

describe("POST /losses/confirm", () => {
  const confirm = (body: unknown) => served.ask("POST", "/fleet/v1/losses/confirm", { body });

  test("confirms those that are named and held for, or all, and says which", async () => {
    registry.heldMachines = ["m2", "m3", "m4"];
    expect(await served.client.confirmLosses(["m3", "m9"])).toEqual(["m3"]);
    expect(await confirm({})).toMatchObject({ status: 200, json: { machines: ["m2", "m4"] } });
    expect(await confirm({})).toMatchObject({ status: 200, json: { machines: [] } });
  });

  test("is answered with 503 while etcd is away", async () => {
    registry.store = "away";
    expect((await confirm({})).status).toBe(503);
  });
});
