import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Endpoint,
  FleetApiError,
  FleetClient,
  FleetProtocolError,
  FleetUnreachableError,
  parseEndpoint,
} from "@fleet/api/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";

const requestTimeoutMs = 300;

let server: http.Server;
let endpoint: Endpoint;
let client: FleetClient;
let handle: http.RequestListener;
let requests: string[];

beforeEach(async () => {
  requests = [];
  handle = (_request, response) => response.writeHead(404).end();
  server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = { kind: "tcp", secure: false, hostname: "127.0.0.1", port: portOf(server) };
  client = new FleetClient({ endpoint, requestTimeoutMs });
});

afterEach(async () => {
  client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function portOf(listening: http.Server): number {
  const address: AddressInfo | string | null = listening.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function answers(status: number, body: unknown): void {
  handle = (_request, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

describe("endpoints", () => {
  test.each<[text: string, expected: unknown]>([
    ["unix:///var/run/fleet.sock", { kind: "unix", socketPath: "/var/run/fleet.sock" }],
    ["file:///run/fleet.sock", { kind: "unix", socketPath: "/run/fleet.sock" }],
    ["http://10.0.0.1:49153", { kind: "tcp", secure: false, hostname: "10.0.0.1", port: 49153 }],
    ["http://host", { kind: "tcp", secure: false, hostname: "host", port: 80 }],
    ["https://[::1]/", { kind: "tcp", secure: true, hostname: "::1", port: 443 }],
  ])("%s", (text, expected) => {
    expect(parseEndpoint(text)).toEqual({ ok: true, value: expected });
  });

  test.each([
    ["unix://var/run/fleet.sock", "unix:///var/run/fleet.sock (three slashes)"],
    ["unix://", "three slashes"],
    ["ftp://host", "expected unix://"],
    ["host:4001", "expected unix://"],
    ["", "expected unix://"],
  ])("%s is refused with a hint", (text, hint) => {
    expect(parseEndpoint(text)).toEqual({ ok: false, problem: expect.stringContaining(hint) });
  });
});

describe("calls", () => {
  test("read what fleet itself sends: empty listings as {}, absent fields", async () => {
    answers(200, {});
    expect([await client.units(), await client.states(), await client.machines()]).toEqual([[], [], []]);
    answers(200, { machines: [{ id: "m" }] });
    expect(await client.machines()).toEqual([{ id: "m", primaryIP: "", metadata: {} }]);
    answers(200, { name: "g.service", desiredState: "launched", options: [{ section: "S", name: "A" }] });
    expect(await client.unit("g.service")).toEqual({
      name: "g.service",
      desiredState: "launched",
      options: [{ section: "S", name: "A", value: "" }],
    });
  });

  test("encode names and filters", async () => {
    answers(200, {});
    await client.states({ unitName: "a@1.service", machineID: "m/1" });
    answers(404, "");
    await client.unit("a@1.service");
    await client.state("a b");
    await client.destroyUnit("x/../y");
    expect(requests).toEqual([
      "GET /fleet/v1/state?unitName=a%401.service&machineID=m%2F1&rows=10000",
      "GET /fleet/v1/units/a%401.service",
      "GET /fleet/v1/state/a%20b",
      "DELETE /fleet/v1/units/x%2F..%2Fy",
    ]);
  });

  test("follow pages to the end", async () => {
    handle = (request, response) => {
      const token = new URL(request.url ?? "", "http://fleet").searchParams.get("nextPageToken");
      const page = token === null ? 1 : Number(token);
      const next = page < 3 ? { nextPageToken: `${page + 1}` } : {};
      response.end(JSON.stringify({ machines: [{ id: `m${page}` }], ...next }));
    };
    expect((await client.machines()).map((machine) => machine.id)).toEqual(["m1", "m2", "m3"]);
  });

  test("ask for no more pages of units than wanted", async () => {
    let pages = 0;
    handle = (_request, response) => {
      pages += 1;
      const unit = { name: `u${pages}.service`, desiredState: "inactive" };
      response.end(JSON.stringify({ units: [unit, unit], nextPageToken: "more" }));
    };
    // One more than wanted tells that there are more.
    expect(await client.units(undefined, 4)).toHaveLength(6);
    expect(pages).toBe(3);
  });

  describe("for many units by name", () => {
    const names = Array.from({ length: 120 }, (_, index) => `u${index}.service`);
    const unit = (name: string) => ({ name, desiredState: "inactive" });

    test("ask for lists of them", async () => {
      handle = (request, response) => {
        const { searchParams } = new URL(request.url ?? "", "http://fleet");
        const listed = (searchParams.get("units") ?? "").split(",");
        response.end(JSON.stringify({ units: listed.filter((name) => name !== "u7.service").map(unit) }));
      };
      const found = await client.unitsNamed([...names, "u1.service"]);
      expect(new Set(found.keys())).toEqual(new Set(names.filter((name) => name !== "u7.service")));
      expect(requests).toHaveLength(3);
    });

    test("ask in URLs that servers take", async () => {
      answers(200, {});
      const long = names.slice(0, 50).map((name) => `${"\\".repeat(200)}${name}`);
      expect((await client.unitsNamed(long)).size).toBe(0);
      for (const request of requests) expect(request.length).toBeLessThan(8 * 1024);
      // Asked at once, over several connections.
      expect(
        requests
          .flatMap((request) =>
            new URL(request.slice(4), "http://fleet").searchParams.get("units")?.split(","),
          )
          .sort(),
      ).toEqual(long.toSorted());
    });

    test("find them among all units where nobody knows of lists of names", async () => {
      handle = (request, response) => {
        const { searchParams } = new URL(request.url ?? "", "http://fleet");
        const second = searchParams.get("nextPageToken") !== null;
        const page = second ? ["u100.service"] : ["other.service", "u0.service"];
        response.end(JSON.stringify({ units: page.map(unit), ...(second ? {} : { nextPageToken: "more" }) }));
      };
      expect([...(await client.unitsNamed(names)).keys()]).toEqual(["u0.service", "u100.service"]);
    });

    test("ask for a few each by itself", async () => {
      answers(404, "");
      expect((await client.unitsNamed(["a.service", "b.service"])).size).toBe(0);
      expect(requests.sort()).toEqual(["GET /fleet/v1/units/a.service", "GET /fleet/v1/units/b.service"]);
    });
  });

  test("ask for page after page where nobody knows of more at once", async () => {
    handle = (request, response) => {
      const { searchParams } = new URL(request.url ?? "", "http://fleet");
      if (searchParams.has("rows")) response.writeHead(400).end();
      else if (searchParams.has("nextPageToken")) response.end(JSON.stringify({ states: [{ name: "b" }] }));
      else response.end(JSON.stringify({ states: [{ name: "a" }], nextPageToken: "more" }));
    };
    expect((await client.states()).map(({ name }) => name)).toEqual(["a", "b"]);
    expect(requests).toEqual([
      "GET /fleet/v1/state?rows=10000",
      "GET /fleet/v1/state",
      "GET /fleet/v1/state?nextPageToken=more",
    ]);
  });

  test("tell created from changed, destroyed from absent", async () => {
    answers(201, "");
    expect(await client.putUnit({ name: "a.service", options: [] })).toBe("created");
    answers(204, "");
    expect(await client.putUnit({ name: "a.service", desiredState: "loaded" })).toBe("changed");
    expect(await client.destroyUnit("a.service")).toBe(true);
    answers(404, { error: { code: 404, message: "unit does not exist" } });
    expect(await client.destroyUnit("a.service")).toBe(false);
    expect([await client.unit("a.service"), await client.state("a.service")]).toEqual([undefined, undefined]);
  });
});

describe("failures", () => {
  test("a refusal carries its status and message", async () => {
    answers(503, { error: { code: 503, message: "fleet server unable to communicate with etcd" } });
    const failure = client.units();
    await expect(failure).rejects.toBeInstanceOf(FleetApiError);
    await expect(failure).rejects.toMatchObject({
      status: 503,
      retryable: true,
      message: "fleet server unable to communicate with etcd",
    });
    answers(502, "<html>bad gateway</html>");
    await expect(client.units()).rejects.toMatchObject({ status: 502, message: "Bad Gateway" });
  });

  test.each<[what: string, body: unknown]>([
    ["no JSON", "<html>"],
    ["no object", "[]"],
    ["nothing", ""],
    ["no list", { units: {} }],
    ["a unit without state", { units: [{ name: "a" }] }],
    ["an unknown state", { units: [{ name: "a", desiredState: "running" }] }],
    ["a number for a name", { units: [{ name: 1, desiredState: "loaded" }] }],
  ])("something else than fleet answers: %s", async (_what, body) => {
    answers(200, body);
    await expect(client.units()).rejects.toBeInstanceOf(FleetProtocolError);
  });

  test.each([301, 302, 304, 307, 308])("%i is no success", async (status) => {
    handle = (_request, response) => response.writeHead(status, { location: "https://elsewhere/" }).end();
    const change = { name: "a.service", desiredState: "launched" } as const;
    await expect(client.putUnit(change)).rejects.toThrow(`answered with status ${status}`);
    await expect(client.destroyUnit("a.service")).rejects.toBeInstanceOf(FleetProtocolError);
    await expect(client.machines()).rejects.toThrow("https://elsewhere/");
  });

  test("an interrupt in the middle of an answer is an interrupt", async () => {
    const interrupt = new AbortController();
    const begun = new Promise<void>((resolve) => {
      handle = (_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        // More than the kernel holds between the two: once it is sent, the client has the beginning.
        response.write(" ".repeat(32 * 1024 * 1024), () => resolve());
      };
    });
    const answer = new FleetClient({ endpoint, requestTimeoutMs: 60_000 })
      .machines(interrupt.signal)
      .catch((error: unknown) => error);
    await begun;
    interrupt.abort();
    expect(await answer).toMatchObject({ code: "aborted" });
  });

  test("nobody listens", async () => {
    const directory = await mkdtemp(join(tmpdir(), "fleet-client-"));
    const socketPath = join(directory, "none.sock");
    const nobody = new FleetClient({ endpoint: { kind: "unix", socketPath }, requestTimeoutMs });
    await expect(nobody.units()).rejects.toBeInstanceOf(FleetUnreachableError);
    const stream = nobody.watch({}, new AbortController().signal)[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toBeInstanceOf(FleetUnreachableError);
    await rm(directory, { recursive: true });
  });

  test("a server that never answers, or never finishes, is given up on", async () => {
    handle = () => {};
    await expect(client.units()).rejects.toMatchObject({
      code: "api_unreachable",
      message: "no answer within 0.3 s",
    });
    handle = (_request, response) => {
      response.write('{"units":[');
    };
    await expect(client.units()).rejects.toMatchObject({ code: "api_unreachable" });
  });

  test("a kept connection that the server has closed is replaced unnoticed", async () => {
    let count = 0;
    handle = (request, response) => {
      count += 1;
      if (count === 2) request.socket.destroy();
      else response.end("{}");
    };
    await client.units();
    expect(await client.units()).toEqual([]);
    expect(count).toBe(3);
  });
});

describe("watch", () => {
  test.each([404, 400, 200, 405])("a server that answers %i has no streams", async (status) => {
    answers(status, {});
    const updates: unknown[] = [];
    for await (const update of client.watch({ units: ["a.service"] }, new AbortController().signal))
      updates.push(update);
    expect(updates).toEqual([{ type: "unsupported" }]);
    expect(requests).toEqual(["GET /fleet/v1/watch?units=a.service"]);
  });

  test("a server that is away is an error, not a missing feature", async () => {
    answers(503, {});
    const stream = client.watch({}, new AbortController().signal)[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toMatchObject({ status: 503 });
  });

  test("ends at once when interrupted while the stream is being opened", async () => {
    handle = () => {};
    const interrupt = new AbortController();
    const updates = client.watch({}, interrupt.signal)[Symbol.asyncIterator]();
    const first = updates.next();
    interrupt.abort();
    await expect(first).rejects.toMatchObject({ code: "aborted" });
    expect(requests).toEqual([]);
  });

  test("ends when the server no longer answers, though its connection stays open", async () => {
    const silent = new WebSocketServer({ server, autoPong: false });
    const opened = Date.now();
    const stream = client.watch({}, new AbortController().signal)[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toThrow("no answer within 0.3 s");
    expect(Date.now() - opened).toBeLessThan(2_000);
    for (const socket of silent.clients) socket.terminate();
  });

  test("goes on after the last message when the server cuts it off to resynchronise", async () => {
    const cutting = new WebSocketServer({ server });
    const asked: string[] = [];
    const empty = { units: [], states: [], machines: [] };
    cutting.on("connection", (socket, request) => {
      asked.push(request.url ?? "");
      const send = (message: object): void => socket.send(JSON.stringify(message));
      if (asked.length === 1) {
        send({ type: "snapshot", revision: 5, cluster: "c1.1", ...empty });
        send({ type: "delta", revision: 7 });
        send({ type: "status", status: "stale" });
      } else send({ type: "delta", revision: 9 });
      socket.close(4001, "too slow");
    });
    const filter = { kinds: ["units", "events"], options: "none" } as const;
    const stream = client.watch(filter, new AbortController().signal)[Symbol.asyncIterator]();
    for (const revision of [5, 7, undefined, 9, 9]) {
      expect((await stream.next()).value?.revision).toBe(revision);
    }
    expect(asked).toEqual([
      "/fleet/v1/watch?kinds=units,events&options=none",
      "/fleet/v1/watch?kinds=units,events&options=none&since=7&cluster=c1.1",
      "/fleet/v1/watch?kinds=units,events&options=none&since=9&cluster=c1.1",
    ]);
    await stream.return?.(undefined);
  });

  test("stays open for as long as the server answers", async () => {
    const quiet = new WebSocketServer({ server });
    quiet.on("connection", (socket) => {
      setTimeout(() => socket.send(JSON.stringify({ type: "status", status: "connected" })), 1_500);
    });
    const stream = client.watch({}, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await stream.next()).value).toEqual({ type: "status", status: "connected" });
    await stream.return?.(undefined);
  });
});
