import {
  errorBodyShape,
  machineShape,
  operationList,
  optionShape,
  unitShape,
  unitStateShape,
} from "@fleet/api";
import { unitHash } from "@fleet/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RegistryTwin } from "../api/registry-twin.ts";
import { type ServedApi, serveApi } from "../api/served-api.ts";
import { fleetSurface, readCompatibilityPage } from "./compatibility-page.ts";

const tables = readCompatibilityPage();
const rows = tables.get("Calls of the HTTP API and their statuses") ?? [];
const machineId = "0acdd9bf00000000000000000000abcd";
const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];

let twin: RegistryTwin;
let served: ServedApi;
/** A restart that is there to be looked at, and one to be cancelled. */
let restartId: string;
let unwantedId: string;
beforeAll(async () => {
  twin = new RegistryTwin();
  const exposition = { contentType: "text/plain; version=0.0.4", text: async () => "fleet_up 1\n" };
  served = await serveApi(twin, { exposition });
  for (const name of ["a.service", "gone.service", "changed.service"]) {
    await served.ask("PUT", `/fleet/v1/units/${name}`, { body: { desiredState: "inactive", options } });
  }
  await served.ask("PUT", "/fleet/v1/units/placed.service", { body: { desiredState: "launched", options } });
  restartId = (await served.client.createRestart({ units: ["placed.service"] }))?.id ?? "";
  unwantedId = (await served.client.createRestart({ units: ["placed.service"] }))?.id ?? "";
  twin.machine(machineId, "10.0.2.15");
  twin.publish(machineId, "a.service", { hash: unitHash(options) });
});
afterAll(() => served.stop());

interface Call {
  readonly method: string;
  /** Below the prefix; `:restart` and `:unwanted` stand for the ids of two that are there. */
  readonly path: string;
  /** The path stands beside the prefix, not below it. */
  readonly root?: true;
  readonly body?: unknown;
  readonly raw?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly store?: "away";
  /** The registry is being seeded anew. */
  readonly seeding?: "running";
  /** A rule that the registry holds against a request for a restart. */
  readonly refusal?: RegistryTwin["restartRefusal"];
}

const badToken = "?nextPageToken=AAAA";
const text = { "content-type": "text/plain" };
const tooManyUnits = Array.from({ length: 2_000 }, (_, index) => `u${index}.service`);
const huge = JSON.stringify("x".repeat(8 * 1024 * 1024));

const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
};

/** For each row of the page, a request that is answered with its status. */
const calls: Readonly<Record<string, Call>> = {
  "GET /units 200": { method: "GET", path: "/units" },
  "GET /units?rows=N 200": { method: "GET", path: "/units?rows=300" },
  "GET /units?units=N,… 200": { method: "GET", path: "/units?units=a.service,none.service" },
  "GET /state?rows=N 200": { method: "GET", path: "/state?rows=300" },
  "GET /machines?rows=N 200": { method: "GET", path: "/machines?rows=300" },
  "GET /units 400": { method: "GET", path: `/units${badToken}` },
  "GET /units/N 200": { method: "GET", path: "/units/a.service" },
  "GET /units/N 404": { method: "GET", path: "/units/none.service" },
  "PUT /units/N 201": { method: "PUT", path: "/units/b.service", body: { options } },
  "PUT /units/N 204": { method: "PUT", path: "/units/changed.service", body: { desiredState: "loaded" } },
  "PUT /units/N 400": { method: "PUT", path: "/units/a.service", body: { desiredState: "running" } },
  "PUT /units/N 409": { method: "PUT", path: "/units/none.service", body: { desiredState: "loaded" } },
  "PUT /units/N 413": {
    method: "PUT",
    path: "/units/a.service",
    raw: huge,
    headers: { "content-type": "application/json" },
  },
  "PUT /units/N 415": { method: "PUT", path: "/units/a.service", raw: "{}", headers: text },
  "DELETE /units/N 204": { method: "DELETE", path: "/units/gone.service" },
  "DELETE /units/N 404": { method: "DELETE", path: "/units/none.service" },
  "GET /state 200": { method: "GET", path: "/state" },
  "GET /state 400": { method: "GET", path: `/state${badToken}` },
  "GET /state/N 200": { method: "GET", path: "/state/a.service" },
  "GET /state/N 404": { method: "GET", path: "/state/none.service" },
  "GET /machines 200": { method: "GET", path: "/machines" },
  "GET /machines 400": { method: "GET", path: `/machines${badToken}` },
  "PATCH /machines 204": { method: "PATCH", path: "/machines", body: [] },
  "PATCH /machines 400": { method: "PATCH", path: "/machines", body: [{ op: "move", path: "/" }] },
  "PATCH /machines 413": {
    method: "PATCH",
    path: "/machines",
    raw: huge,
    headers: { "content-type": "application/json" },
  },
  "PATCH /machines 415": { method: "PATCH", path: "/machines", raw: "[]", headers: text },
  "GET /discovery 200": { method: "GET", path: "/discovery" },
  "PUT /discovery 400": { method: "PUT", path: "/discovery", body: {} },
  "GET /metrics 200": { method: "GET", path: "/metrics", root: true },
  "GET /restarts 200": { method: "GET", path: "/restarts" },
  "POST /restarts 201": { method: "POST", path: "/restarts", body: { units: ["placed.service"] } },
  "POST /restarts 400": { method: "POST", path: "/restarts", body: { units: [] } },
  "POST /restarts 404": { method: "POST", path: "/restarts", body: { units: ["none.service"] } },
  "POST /restarts 409": {
    method: "POST",
    path: "/restarts",
    body: { units: ["a.service"] },
    refusal: { outcome: "refused", reason: "inactive", unit: "a.service" },
  },
  "POST /restarts 413": { method: "POST", path: "/restarts", body: { units: tooManyUnits } },
  "POST /restarts 415": { method: "POST", path: "/restarts", raw: "{}", headers: text },
  "GET /restarts/N 200": { method: "GET", path: "/restarts/:restart" },
  "GET /restarts/N 404": { method: "GET", path: "/restarts/none" },
  "DELETE /restarts/N 204": { method: "DELETE", path: "/restarts/:unwanted" },
  "DELETE /restarts/N 404": { method: "DELETE", path: "/restarts/none" },
  "GET /events 200": { method: "GET", path: "/events" },
  "GET /events 400": { method: "GET", path: "/events?limit=none" },
  "GET /units/N/explanation 200": { method: "GET", path: "/units/a.service/explanation" },
  "GET /units/N/explanation 404": { method: "GET", path: "/units/none.service/explanation" },
  "POST /plan 200": { method: "POST", path: "/plan", body: { drain: [machineId] } },
  "POST /plan 400": { method: "POST", path: "/plan", body: { destroy: ["none.service"] } },
  "POST /plan 413": {
    method: "POST",
    path: "/plan",
    raw: huge,
    headers: { "content-type": "application/json" },
  },
  "POST /plan 415": { method: "POST", path: "/plan", raw: "{}", headers: text },
  "GET /losses 200": { method: "GET", path: "/losses" },
  "POST /losses/confirm 200": { method: "POST", path: "/losses/confirm", body: {} },
  "POST /losses/confirm 400": { method: "POST", path: "/losses/confirm", body: { machines: "all" } },
  "POST /losses/confirm 413": {
    method: "POST",
    path: "/losses/confirm",
    raw: huge,
    headers: { "content-type": "application/json" },
  },
  "POST /losses/confirm 415": { method: "POST", path: "/losses/confirm", raw: "{}", headers: text },
  "GET /backup 200": { method: "GET", path: "/backup" },
  "GET /reseed 200": { method: "GET", path: "/reseed" },
  "POST /reseed 200": { method: "POST", path: "/reseed", body: {}, seeding: "running" },
  "POST /reseed 400": { method: "POST", path: "/reseed", body: { discard: 1 } },
  "POST /reseed 409": { method: "POST", path: "/reseed", body: {} },
  "POST /reseed 413": {
    method: "POST",
    path: "/reseed",
    raw: huge,
    headers: { "content-type": "application/json" },
  },
  "POST /reseed 415": { method: "POST", path: "/reseed", raw: "{}", headers: text },
  "POST /reseed/finish 200": { method: "POST", path: "/reseed/finish", body: {}, seeding: "running" },
  "POST /reseed/finish 400": { method: "POST", path: "/reseed/finish", body: [] },
  "POST /reseed/finish 409": { method: "POST", path: "/reseed/finish", body: {} },
  "POST /reseed/finish 413": {
    method: "POST",
    path: "/reseed/finish",
    raw: huge,
    headers: { "content-type": "application/json" },
  },
  "POST /reseed/finish 415": { method: "POST", path: "/reseed/finish", raw: "{}", headers: text },
  "GET /openapi.json 200": { method: "GET", path: "/openapi.json" },
  "GET /watch 400": { method: "GET", path: "/watch?kinds=none", headers: upgrade },
  "GET /watch 403": {
    method: "GET",
    path: "/watch",
    headers: { ...upgrade, origin: "http://elsewhere.example" },
  },
  "GET /watch 426": { method: "GET", path: "/watch" },
  "POST /units 405": { method: "POST", path: "/units" },
  "GET /nothing 404": { method: "GET", path: "/nothing" },
  "any, without etcd 503": { method: "GET", path: "/units/a.service", store: "away" },
};

/** An upgraded connection is no answer to a request: its own test opens one. */
const upgrades: ReadonlySet<string> = new Set(["GET /watch 101"]);

describe("the page", () => {
  it("has every call and status of fleet 1.0", () => {
    const known = rows.filter(({ verdict }) => verdict !== "new").map(({ what }) => what);
    const surface = Object.entries(fleetSurface.endpoints).flatMap(([call, statuses]) =>
      statuses.map((status) => `${call} ${status}`),
    );
    expect(known.sort()).toEqual(surface.sort());
  });

  it("has every call and status that is served", () => {
    const page = new Set(rows.filter(({ verdict }) => verdict !== "not").map(({ what }) => what));
    const missing = operationList
      .flatMap(([, { method, path, answers }]) =>
        Object.keys(answers).map((status) => `${method} ${path.replace(/\{\w+\}/, "N")} ${status}`),
      )
      .filter((call) => !page.has(call));
    expect(missing).toEqual([]);
  });
});

describe("a call is answered as the page says:", () => {
  const answered = rows.filter(({ verdict, what }) => verdict !== "not" && !upgrades.has(what));
  it.each(answered.map(({ what }) => what))("%s", async (what) => {
    const { [what]: call } = calls;
    if (call === undefined) throw new Error("no request is known that is answered so");
    const { method, path, root, store = "up", refusal, seeding = "none", ...asking } = call;
    twin.store = store;
    twin.seeding = seeding;
    twin.restartRefusal = refusal;
    const url = `${root === true ? "" : "/fleet/v1"}${path.replace(":restart", restartId).replace(":unwanted", unwantedId)}`;
    const answer = await served.ask(method, url, asking);
    twin.store = "up";
    twin.seeding = "none";
    expect(answer.status).toBe(Number(what.slice(-3)));
    if (answer.status >= 400) expect(errorBodyShape.parse(answer.json).error.code).toBe(answer.status);
  });
});

describe("the page and the wire have the same fields:", () => {
  const shapes: Readonly<Record<string, { readonly shape: object }>> = {
    Unit: unitShape,
    UnitOption: optionShape,
    UnitState: unitStateShape,
    Machine: machineShape,
    Error: errorBodyShape.shape.error,
  };

  it.each(Object.keys(fleetSurface.fields))("%s", (name) => {
    const listed = (tables.get("Fields of the HTTP API") ?? []).filter(({ what }) =>
      what.startsWith(`${name} `),
    );
    const fields = (rows: typeof listed) => rows.map(({ what }) => what.slice(name.length + 1)).sort();
    const known = listed.filter(({ verdict }) => verdict !== "new");
    expect(fields(known)).toEqual([...(fleetSurface.fields[name] ?? [])].sort());
    expect(Object.keys(shapes[name]?.shape ?? {}).sort()).toEqual(fields(listed));
  });
});
