import { connect } from "node:net";
import type { ApiUnit } from "@fleet/api";
import { FleetError } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const sleeper = [
  { section: "Unit", name: "Description", value: "sleeper" },
  { section: "Service", name: "ExecStart", value: "/bin/sleep infinity" },
];
const other = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
const global = [...sleeper, { section: "X-Fleet", name: "Global", value: "true" }];
const m1 = "abcd0001000000000000000000000001";
const m2 = "abcd0002000000000000000000000002";

let registry: RegistryTwin;
let served: ServedApi;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry);
});

afterEach(() => served.stop());

function error(code: number, message: unknown) {
  return { error: { code, message } };
}

async function put(name: string, body: object): Promise<number> {
  return (await served.ask("PUT", `/fleet/v1/units/${encodeURIComponent(name)}`, { body })).status;
}

describe("PUT /units/N", () => {
  const url = "/fleet/v1/units/a.service";

  test("walks through a unit's life with fleet's status codes", async () => {
    expect(await put("a.service", { options: sleeper })).toBe(201);
    expect(await put("a.service", { desiredState: "launched" })).toBe(204);
    expect(await put("a.service", { desiredState: "launched" })).toBe(204);
    expect(await put("a.service", { options: sleeper, desiredState: "loaded" })).toBe(204);
    expect(await put("a.service", { options: other })).toBe(201);
    expect(await served.client.unit("a.service")).toEqual({
      name: "a.service",
      options: other,
      desiredState: "inactive",
      currentState: "inactive",
    });
  });

  test.each<[what: string, body: unknown, status: number, message: unknown]>([
    ["no such unit and no options", {}, 409, "unit does not exist and options field empty"],
    ["no such unit, empty options", { options: [], desiredState: "loaded" }, 409, expect.any(String)],
    ["null for absent", { options: null, desiredState: null }, 409, expect.any(String)],
    [
      "another name",
      { name: "b.service", options: sleeper },
      400,
      'name in URL "a.service" differs from unit name in request body "b.service"',
    ],
    [
      "unknown target",
      { options: sleeper, desiredState: "running" },
      400,
      'invalid value "running" for JobState',
    ],
    ["not an object", [], 400, expect.stringContaining("unable to decode body")],
    ["a string", "x", 400, expect.stringContaining("unable to decode body")],
    ["options no list", { options: { a: 1 } }, 400, expect.stringContaining("options")],
    ["a bad option", { options: [{ section: 1 }] }, 400, expect.stringContaining("options.0.section")],
    [
      "a line break in a value",
      { options: [{ section: "Unit", name: "A", value: "b\nC=d" }] },
      400,
      expect.any(String),
    ],
    [
      "options that contradict each other",
      {
        options: [
          ...sleeper,
          { section: "X-Fleet", name: "MachineID", value: m1 },
          { section: "X-Fleet", name: "Global", value: "true" },
        ],
      },
      400,
      expect.any(String),
    ],
  ])("refuses %s", async (_what, body, status, message) => {
    const answer = await served.ask("PUT", url, { body });
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual(error(status, message));
    expect(await served.client.units()).toEqual([]);
  });

  test("checks the options of a unit that exists, too", async () => {
    await put("a.service", { options: sleeper });
    const options = [...global, { section: "X-Fleet", name: "MachineOf", value: "b.service" }];
    expect(await put("a.service", { options })).toBe(400);
    expect((await served.client.unit("a.service"))?.options).toEqual(sleeper);
  });

  test("wants a target for a unit that exists", async () => {
    await put("a.service", { options: sleeper });
    const answer = await served.ask("PUT", url, { body: { options: sleeper } });
    expect([answer.status, answer.json]).toEqual([
      409,
      error(409, "must provide DesiredState to update existing unit"),
    ]);
  });

  test("submits a template and refuses to activate it", async () => {
    expect(await put("x@.service", { options: sleeper })).toBe(201);
    const answer = await served.ask("PUT", "/fleet/v1/units/x%40.service", {
      body: { desiredState: "loaded" },
    });
    expect([answer.status, answer.json]).toEqual([400, error(400, 'cannot activate template "x@.service"')]);
    expect(await put("x@.service", { options: other, desiredState: "launched" })).toBe(400);
  });

  test.each([
    "noext",
    "a.foo",
    "@a.service",
    "a b.service",
    `${"a".repeat(260)}.service`,
    `${"a".repeat(5_000)}.service`,
    "a%2Fb.service",
    "ä.service",
  ])("refuses the name %s", async (name) => {
    const answer = await served.ask("PUT", `/fleet/v1/units/${encodeURI(name)}`, {
      body: { options: sleeper },
    });
    expect([answer.status, answer.json]).toEqual([400, error(400, expect.any(String))]);
  });

  test("keeps an option without value, which Go clients send for an empty one", async () => {
    expect(await put("a.service", { options: [{ section: "Service", name: "ExecStart" }, ...other] })).toBe(
      201,
    );
    expect((await served.client.unit("a.service"))?.options[0]?.value).toBe("");
  });

  test("ignores fields and parameters it does not know", async () => {
    const body = { options: sleeper, currentState: "launched", machineID: m1, future: { a: [1] } };
    expect((await served.ask("PUT", `${url}?alt=json&x=1`, { body })).status).toBe(201);
  });
});

describe("hostile bodies", () => {
  const url = "/fleet/v1/units/a.service";
  const json = { "content-type": "application/json" };

  test.each<[what: string, raw: string, headers: Record<string, string>, status: number]>([
    ["no content type", "{}", {}, 415],
    ["another content type", "{}", { "content-type": "text/plain" }, 415],
    ["a form", "a=b", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["a charset is fine", '{"options":[]}', { "content-type": "Application/JSON; charset=utf-8" }, 409],
    ["nothing", "", json, 400],
    ["no JSON", "{", json, 400],
    ["two values", "{} {}", json, 400],
    ["a prototype key", '{"__proto__":{"options":[]}}', json, 400],
    ["a deep prototype key", '{"options":[{"section":"a","name":"b","__proto__":{"value":"c"}}]}', json, 400],
    ["a constructor", '{"constructor":{"prototype":{"a":1}}}', json, 400],
    ["deep nesting", `{"options":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, json, 400],
    ["deep nesting that is ignored", `{"x":${"[".repeat(50_000)}${"]".repeat(50_000)}}`, json, 409],
    ["too many bytes", `{"x":"${"a".repeat(8 * 1024 * 1024)}"}`, json, 413],
  ])("%s", async (_what, raw, headers, status) => {
    const answer = await served.ask("PUT", url, { raw, headers });
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual(error(status, expect.any(String)));
    expect(await served.client.units()).toEqual([]);
  });

  test("a unit file over 1 MiB is refused, one just below is taken", async () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        section: "Unit",
        name: "X-Pad",
        value: `${index}`.padEnd(1000, "x"),
      }));
    expect(await put("big.service", { options: lines(1100) })).toBe(400);
    expect(await put("big.service", { options: lines(1000) })).toBe(201);
  });
});

describe("GET", () => {
  test("of an unknown unit or state is 404 with fleet's message", async () => {
    const unit = await served.ask("GET", "/fleet/v1/units/nope.service?alt=json");
    expect([unit.status, unit.json]).toEqual([404, error(404, "unit does not exist")]);
    const state = await served.ask("GET", "/fleet/v1/state/nope.service");
    expect([state.status, state.json]).toEqual([404, error(404, "unit state does not exist")]);
    expect((await served.ask("GET", "/fleet/v1/units/no%20name")).status).toBe(404);
  });

  test("of empty listings", async () => {
    for (const [path, json] of [
      ["units", { units: [] }],
      ["state", { states: [] }],
      ["machines", { machines: [] }],
    ] as const) {
      const answer = await served.ask("GET", `/fleet/v1/${path}`);
      expect([answer.status, answer.json]).toEqual([200, json]);
    }
  });

  test("of named units", async () => {
    await put("a.service", { options: sleeper, desiredState: "launched" });
    await put("b@1.service", { options: sleeper });
    await put("c.service", { options: sleeper });
    const named = async (text: string) => {
      const { status, json } = await served.ask("GET", `/fleet/v1/units?units=${encodeURIComponent(text)}`);
      return [status, json];
    };
    const [a, b] = [await served.client.unit("a.service"), await served.client.unit("b@1.service")];
    expect(await named("b@1.service,a.service,nope.service,no name,,a.service")).toEqual([
      200,
      { units: [a, b] },
    ]);
    expect(await named("nope.service")).toEqual([200, { units: [] }]);
    // As without: nothing is named.
    expect((await served.client.units()).length).toBe(3);
    expect(await named(",")).toEqual([200, { units: [...(await served.client.units())] }]);
    const many = Array.from({ length: 51 }, (_, index) => `u${index}.service`).join(",");
    expect(await named(many)).toEqual([400, error(400, "at most 50 units can be named at once")]);
  });

  test("shows a unit's way over its machine", async () => {
    const shown = async () => {
      const unit = await served.client.unit("a.service");
      expect(await served.client.units()).toEqual([unit]);
      return [unit?.currentState, unit?.machineID];
    };
    registry.machine(m1, "10.0.0.1");
    await put("a.service", { options: sleeper, desiredState: "launched" });
    expect(await shown()).toEqual(["inactive", undefined]);
    registry.assign(m1, "a.service");
    expect(await shown()).toEqual(["inactive", m1]);
    registry.publish(m1, "a.service", { launched: false, active: "inactive", sub: "dead" });
    expect(await shown()).toEqual(["loaded", m1]);
    registry.publish(m1, "a.service", {});
    expect(await shown()).toEqual(["launched", m1]);
    // A state of other content says nothing about the unit as it is now.
    registry.publish(m1, "a.service", { hash: "0".repeat(40) });
    expect(await shown()).toEqual(["inactive", m1]);
    registry.publish(m1, "a.service", { launched: false });
    registry.withdraw(m1, "a.service");
    expect(await shown()).toEqual(["loaded", m1]);
    registry.unpublish(m1, "a.service");
    expect(await shown()).toEqual(["inactive", undefined]);
  });

  test("prefers the assigned machine to one that still unloads", async () => {
    await put("a.service", { options: sleeper, desiredState: "launched" });
    registry.publish(m1, "a.service", {});
    registry.assign(m2, "a.service");
    registry.publish(m2, "a.service", { launched: false });
    expect(await served.client.unit("a.service")).toMatchObject({ currentState: "loaded", machineID: m2 });
    expect(await served.client.state("a.service")).toMatchObject({ machineID: m2 });
  });

  test("of a global unit has no machine, and a current state in listings only", async () => {
    await put("g.service", { options: global, desiredState: "launched" });
    registry.assign(m1, "g.service");
    registry.publish(m1, "g.service", {});
    const one = await served.ask("GET", "/fleet/v1/units/g.service");
    expect(one.json).toEqual({ name: "g.service", options: global, desiredState: "launched" });
    const list = await served.client.units();
    expect(list).toEqual([
      { name: "g.service", options: global, desiredState: "launched", currentState: "inactive" },
    ]);
  });

  test("of states filters by unit and by machine", async () => {
    await put("a.service", { options: sleeper });
    await put("a.service.b.service", { options: sleeper });
    for (const machineId of [m2, m1]) registry.publish(machineId, "a.service", {});
    registry.publish(m1, "a.service.b.service", { active: "failed", sub: "failed" });
    const hash = registry.hashOf("a.service");
    const row = {
      hash,
      systemdLoadState: "loaded",
      systemdActiveState: "active",
      systemdSubState: "running",
    };
    const first = { ...row, name: "a.service", machineID: m1 };
    const second = { ...row, name: "a.service", machineID: m2 };
    const third = {
      ...row,
      name: "a.service.b.service",
      machineID: m1,
      systemdActiveState: "failed",
      systemdSubState: "failed",
    };
    expect(await served.client.states()).toEqual([first, second, third]);
    expect(await served.client.states({ unitName: "a.service" })).toEqual([first, second]);
    expect(await served.client.states({ machineID: m1 })).toEqual([first, third]);
    expect(await served.client.states({ machineID: m2, unitName: "a.service" })).toEqual([second]);
    expect(await served.client.states({ unitName: "a" })).toEqual([]);
    expect(await served.client.state("a.service.b.service")).toEqual(third);
  });

  test("of machines shows configured metadata under what was set through the API", async () => {
    registry.machine(m2, "10.0.0.2", { region: "cn", disk: "ssd" });
    registry.machine(m1, "");
    await registry.metadata.apply([
      { machineId: m2, key: "region", value: "eu" },
      { machineId: m2, key: "disk", value: undefined },
      { machineId: m2, key: "rack", value: "7" },
      { machineId: "absent", key: "rack", value: "7" },
    ]);
    expect((await served.ask("GET", "/fleet/v1/machines")).json).toEqual({
      machines: [{ id: m1 }, { id: m2, primaryIP: "10.0.0.2", metadata: { region: "eu", rack: "7" } }],
    });
    registry.machineGone(m2);
    expect(await served.client.machines()).toEqual([{ id: m1, primaryIP: "", metadata: {} }]);
  });

  test("pages, and refuses tokens that are not its own", async () => {
    for (let index = 0; index < 250; index += 1) {
      await registry.intents.put({ name: `u${index}.service`, options: sleeper });
    }
    const pages: ApiUnit[] = [...(await served.client.units())];
    expect(pages).toHaveLength(250);
    expect(pages.map((unit) => unit.name)).toEqual(pages.map((unit) => unit.name).sort());
    for (const [token, message] of [
      ["ZQACAA==", "token limit must be 100"],
      ["ZAAAAA==", "token page must be greater than zero"],
      ["%21", "token cannot be decoded"],
    ]) {
      for (const path of ["units", "state", "machines"]) {
        const answer = await served.ask("GET", `/fleet/v1/${path}?nextPageToken=${token}`);
        expect([answer.status, answer.json]).toEqual([400, error(400, message)]);
      }
    }
    const third = await served.ask("GET", "/fleet/v1/units?nextPageToken=ZAADAA==");
    expect(third.json).toMatchObject({ units: { length: 50 } });
  });

  test.each([
    ["", 100],
    ["?rows=", 100],
    ["?rows=1", 100],
    ["?rows=-300", 100],
    ["?rows=all", 100],
    ["?rows=100&rows=200", 100],
    ["?rows=299", 200],
    ["?rows=300", 250],
    ["?rows=300&nextPageToken=ZAACAA==", 150],
  ])("gives as many whole pages at once as are welcome: %s", async (search, length) => {
    for (let index = 0; index < 250; index += 1) {
      await registry.intents.put({ name: `u${index}.service`, options: sleeper });
    }
    const { status, json } = await served.ask("GET", `/fleet/v1/units${search}`);
    expect([status, json]).toMatchObject([200, { units: { length } }]);
  });

  test("never shows a state older than a write it has answered", async () => {
    await served.client.units();
    registry.held = true;
    const written = put("a.service", { options: sleeper });
    await new Promise((resolve) => setTimeout(resolve, 20));
    registry.deliver();
    expect(await written).toBe(201);
    expect((await served.client.units()).map((unit) => unit.name)).toEqual(["a.service"]);
  });
});

describe("every response", () => {
  test.each<[method: string, path: string, status: number, message?: string]>([
    ["GET", "/", 404],
    ["GET", "/fleet/v1", 404],
    ["GET", "/fleet/v1/nope", 404],
    ["GET", "/fleet/v1/units/a/b", 404],
    ["GET", "/fleet/v2/units", 404],
    ["GET", "/fleet/v1/units/%zz", 400],
    ["POST", "/fleet/v1/units", 405, "only GET supported against this resource"],
    ["DELETE", "/fleet/v1/units", 405, "only GET supported against this resource"],
    ["POST", "/fleet/v1/units/a.service", 405, "only GET, PUT and DELETE supported against this resource"],
    ["PUT", "/fleet/v1/state", 405, "only GET supported against this resource"],
    ["DELETE", "/v1-alpha/state/a.service", 405, "only GET supported against this resource"],
    ["PUT", "/fleet/v1/machines", 405, "only GET and PATCH supported against this resource"],
    ["PROPFIND", "/fleet/v1/machines", 405],
    ["GET", "/fleet/v1/watch", 426],
    ["DELETE", "/fleet/v1/units/nope.service", 404, "unit does not exist"],
    ["DELETE", "/fleet/v1/units/no%20name", 404, "unit does not exist"],
  ])(
    "%s %s is %i, with the error as JSON and the daemon's version",
    async (method, path, status, message) => {
      const answer = await served.ask(method, path);
      expect(answer.status).toBe(status);
      expect(answer.headers.server).toBe("fleetd/9.9.9");
      expect(answer.headers["content-type"]).toBe("application/json");
      expect(answer.json).toEqual(error(status, message ?? expect.any(String)));
    },
  );

  test("is bare JSON, and without any type when there is no body", async () => {
    for (const path of ["units", "state", "machines", "discovery", "openapi.json"]) {
      const answer = await served.ask("GET", `/fleet/v1/${path}`);
      expect([path, answer.headers["content-type"]]).toEqual([path, "application/json"]);
    }
    const created = await served.ask("PUT", "/fleet/v1/units/a.service", { body: { options: sleeper } });
    expect([created.status, created.text, created.headers["content-type"]]).toEqual([201, "", undefined]);
    const destroyed = await served.ask("DELETE", "/fleet/v1/units/a.service");
    expect([destroyed.status, destroyed.headers["content-type"]]).toEqual([204, undefined]);
  });

  test.each<[what: string, asking: { raw?: string; headers: Record<string, string> }]>([
    ["is announced but not there", { headers: { "content-type": "application/json" } }],
    ["is empty", { raw: "", headers: { "content-type": "application/json", "content-length": "0" } }],
    ["is no JSON", { raw: "{", headers: { "content-type": "application/json", "content-length": "1" } }],
    ["is something else", { raw: "a=b", headers: { "content-type": "a/b", "content-length": "3" } }],
  ])("does not care for a body that nobody asked for: it %s", async (_what, asking) => {
    for (const [method, status] of [
      ["GET", 200],
      ["DELETE", 204],
      ["GET", 404],
      ["DELETE", 404],
    ] as const) {
      if (status === 200) await put("a.service", { options: sleeper });
      const answer = await served.ask(method, "/fleet/v1/units/a.service", asking);
      expect([method, answer.status]).toEqual([method, status]);
    }
  });

  test("a method that is not allowed is 405 whatever its body is", async () => {
    const answer = await served.ask("POST", "/fleet/v1/units", {
      raw: "{",
      headers: { "content-type": "a/b" },
    });
    expect([answer.status, answer.headers.allow]).toEqual([405, "GET"]);
  });

  test("the old prefix serves the same", async () => {
    await put("a.service", { options: sleeper });
    const path = "/units/a.service";
    const answer = await served.ask("GET", `/v1-alpha${path}`);
    expect(answer.json).toEqual((await served.ask("GET", `/fleet/v1${path}`)).json);
    expect(answer.headers.server).toBe("fleetd/9.9.9");
    expect((await served.ask("DELETE", `/v1-alpha${path}`)).status).toBe(204);
    expect(await served.client.units()).toEqual([]);
  });

  test("HEAD answers like GET, without the body", async () => {
    await put("a.service", { options: sleeper });
    const answer = await served.ask("HEAD", "/fleet/v1/units/a.service");
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect((await served.ask("HEAD", "/fleet/v1/units/b.service")).status).toBe(404);
  });
});

describe("what is no request", () => {
  test.each([
    ["no HTTP at all", "hello\r\n\r\n", 400],
    ["endless headers", `GET / HTTP/1.1\r\nX-Pad: ${"x".repeat(64 * 1024)}\r\n\r\n`, 431],
    [
      "an upgrade of a foreign target",
      "GET http://a/b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      400,
    ],
  ])("%s is refused as JSON, with the daemon's version", async (_what, bytes, status) => {
    const socket = connect(served.socketPath);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(bytes);
    await closed;
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toContain("Server: fleetd/9.9.9");
    const json: unknown = JSON.parse(text.slice(text.indexOf("\r\n\r\n")));
    expect(json).toEqual(error(status, expect.any(String)));
  });
});

describe("a request that never gets done", () => {
  test.each([
    ["in its headers", "GET /fleet/v1/units HTTP/1.1\r\nHost: a\r\nX-Pad: "],
    [
      "in its body",
      "PUT /fleet/v1/units/a.service HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    ],
  ])("%s is cut off, saying why", async (_what, bytes) => {
    const server = served.api.createServer();
    expect(server.headersTimeout).toBe(10_000);
    expect(server.requestTimeout).toBe(30_000);
    // Its own check for them comes every 5 s.
    server.headersTimeout = 100;
    server.requestTimeout = 100;
    const path = `${served.socketPath}.slow`;
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const socket = connect(path);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(bytes);
    await closed;
    expect(text).toMatch(/^HTTP\/1.1 408 /);
    expect(text).toContain("Server: fleetd/9.9.9");
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("while the store", () => {
  const calls = [
    ["GET", "/fleet/v1/units"],
    ["GET", "/fleet/v1/units/a.service"],
    ["GET", "/fleet/v1/state"],
    ["GET", "/fleet/v1/state/a.service"],
    ["GET", "/fleet/v1/machines"],
    ["DELETE", "/fleet/v1/units/a.service"],
    ["PUT", "/fleet/v1/units/a.service"],
    ["PATCH", "/fleet/v1/machines"],
  ] as const;
  const bodies = {
    GET: {},
    DELETE: {},
    PUT: { body: { desiredState: "loaded" } },
    PATCH: { body: [{ op: "remove", path: `/${m1}/metadata/role` }] },
  };

  async function expectRefused(message: string): Promise<void> {
    for (const [method, path] of calls) {
      const answer = await served.ask(method, path, bodies[method]);
      expect([method, path, answer.status, answer.json]).toEqual([method, path, 503, error(503, message)]);
      expect(answer.headers.server).toBe("fleetd/9.9.9");
    }
  }

  test("is away, everything is 503, and works again after", async () => {
    await put("a.service", { options: sleeper });
    await served.client.units();
    registry.goAway();
    await expectRefused("fleet server unable to communicate with etcd");
    registry.comeBack();
    expect(await served.client.units()).toHaveLength(1);
  });

  test("is away from the start, everything is 503", async () => {
    registry.store = "away";
    await expectRefused("fleet server unable to communicate with etcd");
  });

  test("hangs without a word, everything is 503 within the deadline", async () => {
    registry.store = "hanging";
    await expectRefused("fleet server unable to communicate with etcd");
  });

  test("is frozen out, the message says why", async () => {
    registry.frozen = new FleetError("cluster_missing", "etcd no longer knows cluster 1");
    await expectRefused("fleetd is frozen: etcd no longer knows cluster 1");
  });

  test("has not been verified yet, it counts as away", async () => {
    registry.frozen = new FleetError("cluster_unverified", "the cluster has not been verified yet");
    await expectRefused("fleet server unable to communicate with etcd");
  });
});

describe("the cache", () => {
  test("follows the cluster from the first listing until it has been idle", async () => {
    await served.stop();
    served = await serveApi(registry, { cacheIdleMs: 30 });
    await put("a.service", { options: sleeper });
    expect(registry.following).toBe(0);
    await served.client.units();
    expect(registry.following).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(registry.following).toBe(0);
    expect(await served.client.units()).toHaveLength(1);
    expect(registry.following).toBe(1);
  });

  test("stops following when the API closes", async () => {
    await served.client.units();
    await served.api.close();
    expect(registry.following).toBe(0);
  });
});
