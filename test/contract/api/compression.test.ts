import http, { type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";
import { FleetClient, FleetUnreachableError } from "@fleet/api/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

let registry: RegistryTwin;
let served: ServedApi;
let agent: http.Agent;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry);
  agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const options = [{ section: "Service", name: "ExecStart", value: "/bin/sleep infinity" }];
  for (let index = 0; index < 50; index += 1) {
    await registry.intents.put({ name: `u${index}.service`, options });
  }
});

afterEach(async () => {
  agent.destroy();
  await served.stop();
});

function ask(method: string, path: string, acceptEncoding?: string): Promise<Answer> {
  const headers = acceptEncoding === undefined ? {} : { "accept-encoding": acceptEncoding };
  return new Promise((resolve, reject) => {
    const request = http.request(
      { socketPath: served.socketPath, agent, method, path, headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const { statusCode: status = 0 } = response;
          resolve({ status, headers: response.headers, bytes: Buffer.concat(chunks) });
        });
      },
    );
    request.on("error", reject);
    request.end();
  });
}

describe("an answer", () => {
  test.each([
    ["gzip", true],
    ["GZIP", true],
    ["deflate, gzip;q=0.5", true],
    ["x-gzip", true],
    ["*", true],
    ["gzip;q=0", false],
    ["*, gzip; q=0.0", false],
    ["*;q=0", false],
    ["br, deflate", false],
    ["identity", false],
    ["gzip;q=a", false],
    ["", false],
    [undefined, false],
  ])("to Accept-Encoding %j: compressed %j", async (acceptEncoding, isCompressed) => {
    const plain = await ask("GET", "/fleet/v1/units");
    const answer = await ask("GET", "/fleet/v1/units", acceptEncoding);
    expect(answer.headers["content-encoding"]).toBe(isCompressed ? "gzip" : undefined);
    expect(answer.headers.vary).toBe("Accept-Encoding");
    expect(answer.headers["content-type"]).toBe(plain.headers["content-type"]);
    expect(answer.headers["content-length"]).toBe(String(answer.bytes.length));
    const bytes = isCompressed ? gunzipSync(answer.bytes) : answer.bytes;
    expect(bytes).toEqual(plain.bytes);
    if (isCompressed) expect(answer.bytes.length).toBeLessThan(plain.bytes.length / 5);
  });

  test("that is small, or refuses, is left as it is, and so is none", async () => {
    for (const [path, status] of [
      ["/fleet/v1/units/u1.service", 200],
      ["/fleet/v1/units/none.service", 404],
      ["/fleet/v1/nope", 404],
    ] as const) {
      const answer = await ask("GET", path, "gzip");
      expect([answer.status, answer.headers["content-encoding"]]).toEqual([status, undefined]);
      expect(answer.headers.vary).toBe("Accept-Encoding");
      expect(JSON.parse(answer.bytes.toString())).toBeTypeOf("object");
    }
    const destroyed = await ask("DELETE", "/fleet/v1/units/u1.service", "gzip");
    expect([destroyed.status, destroyed.bytes.length]).toEqual([204, 0]);
    expect(destroyed.headers).not.toHaveProperty("content-encoding");
  });

  test("to HEAD has the headers of its GET and no body, and the connection is kept", async () => {
    for (const acceptEncoding of ["gzip", undefined]) {
      const get = await ask("GET", "/fleet/v1/units", acceptEncoding);
      const head = await ask("HEAD", "/fleet/v1/units", acceptEncoding);
      expect([head.status, head.bytes.length]).toEqual([200, 0]);
      const { date: _got, ...expected } = get.headers;
      const { date: _asked, ...headers } = head.headers;
      expect(headers).toEqual(expected);
    }
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
  });

  test("to a client of HTTP/1.0 is complete when the connection ends", async () => {
    const socket = connect(served.socketPath);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    const ended = new Promise((resolve) => socket.once("end", resolve));
    socket.write("GET /fleet/v1/units HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    await ended;
    const bytes = Buffer.concat(chunks);
    const head = bytes.subarray(0, bytes.indexOf("\r\n\r\n")).toString();
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    expect(head.toLowerCase()).not.toContain("transfer-encoding");
    const json: unknown = JSON.parse(gunzipSync(bytes.subarray(head.length + 4)).toString());
    expect(json).toMatchObject({ units: { length: 50 } });
  });
});

describe("our own client", () => {
  let server: http.Server;
  let asked: (string | undefined)[];
  let handle: http.RequestListener;

  beforeEach(async () => {
    asked = [];
    const responder = served.api.createServer();
    handle = (request, response) => responder.emit("request", request, response);
    server = http.createServer((request, response) => {
      asked.push(request.headers["accept-encoding"]?.toString());
      handle(request, response);
    });
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function clientOverTcp(): Promise<FleetClient> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address: AddressInfo | string | null = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const endpoint = { kind: "tcp", secure: false, hostname: "127.0.0.1", port: address.port } as const;
    return new FleetClient({ endpoint, requestTimeoutMs: 5_000 });
  }

  test("asks for gzip over TCP, and reads it", async () => {
    const client = await clientOverTcp();
    expect(await client.units()).toEqual(await served.client.units());
    expect((await client.unit("u1.service"))?.name).toBe("u1.service");
    expect(asked).toEqual(["gzip", "gzip"]);
    client.close();
  });

  test("does not ask for it on a socket of its own host", async () => {
    const socketPath = `${served.socketPath}.plain`;
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const client = new FleetClient({ endpoint: { kind: "unix", socketPath }, requestTimeoutMs: 5_000 });
    expect(await client.units()).toHaveLength(50);
    expect(asked).toEqual([undefined]);
    client.close();
  });

  test.each<[what: string, body: Buffer]>([
    ["no gzip", Buffer.from('{"units":[]}')],
    ["half of one", gzipSync('{"units":[]}').subarray(0, 20)],
  ])("fails for an answer that says it is gzip and is %s", async (_what, body) => {
    handle = (_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(body);
    const client = await clientOverTcp();
    await expect(client.units()).rejects.toBeInstanceOf(FleetUnreachableError);
    client.close();
  });

  test("fails when a compressed answer breaks off", async () => {
    handle = (_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip", "content-length": 1000 });
      response.write(gzipSync('{"units":[]}'), () => response.destroy());
    };
    const client = await clientOverTcp();
    await expect(client.units()).rejects.toBeInstanceOf(FleetUnreachableError);
    client.close();
  });
});
