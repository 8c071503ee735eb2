import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTcpServer, type Server } from "node:net";
import { type Endpoint, FleetClient, FleetUnreachableError } from "@fleet/api/client";
import { afterEach, describe, expect, it } from "vitest";

const open: Server[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => new Promise((done) => server.close(done))));
});

async function listening(server: Server): Promise<Endpoint> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  open.push(server);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return { kind: "tcp", secure: false, hostname: "127.0.0.1", port: address.port };
}

/** A daemon that has one machine, named after itself. */
async function daemon(id: string, requests: string[] = []): Promise<Endpoint> {
  const answer: RequestListener = (request: IncomingMessage, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.writeHead(request.method === "GET" ? 200 : 204, { "content-type": "application/json" });
    response.end(request.method === "GET" ? JSON.stringify({ machines: [{ id }] }) : undefined);
  };
  const server = createServer(answer);
  server.keepAliveTimeout = 1;
  return await listening(server);
}

/** Takes requests and never answers: it breaks the connection once one has come. */
function breaking(): Promise<Endpoint> {
  return listening(createTcpServer((socket) => socket.once("data", () => socket.destroy())));
}

/** An address where nobody listens. */
async function nobody(): Promise<Endpoint> {
  const endpoint = await listening(createTcpServer());
  await new Promise((done) => open.pop()?.close(done));
  return endpoint;
}

function clientOf(endpoints: readonly Endpoint[]) {
  const moves: string[] = [];
  const [endpoint, ...alternatives] = endpoints;
  if (endpoint === undefined) throw new Error("no endpoint");
  const port = (each: Endpoint) => String(endpoints.indexOf(each));
  const client = new FleetClient({
    endpoint,
    alternatives,
    requestTimeoutMs: 5_000,
    onFailover: (from, _reason, to) => moves.push(`${port(from)} to ${port(to)}`),
  });
  return { client, moves };
}

describe("of several endpoints", () => {
  it("the first that can be reached is used, and stayed with", async () => {
    const requests: string[] = [];
    const { client, moves } = clientOf([await nobody(), await nobody(), await daemon("c", requests)]);
    expect(await client.machines()).toMatchObject([{ id: "c" }]);
    expect(await client.machines()).toMatchObject([{ id: "c" }]);
    expect(moves).toEqual(["0 to 1", "1 to 2"]);
    expect(requests).toHaveLength(2);
    client.close();
  });

  it("requests that fail together move on together", async () => {
    const { client, moves } = clientOf([await nobody(), await daemon("b"), await daemon("c")]);
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.machines()));
    expect(new Set(answers.flat().map(({ id }) => id))).toEqual(new Set(["b"]));
    expect(moves).toEqual(["0 to 1"]);
    client.close();
  });

  it("a read goes on to the next where an answer breaks off", async () => {
    const { client, moves } = clientOf([await breaking(), await daemon("b")]);
    expect(await client.machines()).toMatchObject([{ id: "b" }]);
    expect(moves).toEqual(["0 to 1"]);
    client.close();
  });

  it.each([
    ["PUT", (client: FleetClient) => client.putUnit({ name: "a.service", desiredState: "loaded" })],
    ["DELETE", (client: FleetClient) => client.destroyUnit("a.service")],
  ])("a %s goes on when nothing can have been sent", async (method, write) => {
    const requests: string[] = [];
    const { client } = clientOf([await nobody(), await daemon("b", requests)]);
    await write(client);
    expect(requests).toEqual([`${method} /fleet/v1/units/a.service`]);
    client.close();
  });

  it.each([
    ["PUT", (client: FleetClient) => client.putUnit({ name: "a.service", desiredState: "loaded" })],
    ["DELETE", (client: FleetClient) => client.destroyUnit("a.service")],
  ])("a %s of unknown outcome is not repeated at another", async (_method, write) => {
    const requests: string[] = [];
    const { client, moves } = clientOf([await breaking(), await daemon("b", requests)]);
    await expect(write(client)).rejects.toThrow("may have been done, and no other endpoint is asked");
    expect([requests, moves]).toEqual([[], []]);
    client.close();
  });

  it("an answer that refuses is an answer", async () => {
    const refusing = await listening(
      createServer((_, response) =>
        response.writeHead(503, { "content-type": "application/json" }).end("{}"),
      ),
    );
    const { client, moves } = clientOf([refusing, await daemon("b")]);
    await expect(client.machines()).rejects.toThrow("Service Unavailable");
    expect(moves).toEqual([]);
    client.close();
  });

  it("none that can be reached is one error that names each", async () => {
    const endpoints = [await nobody(), await nobody()];
    const { client } = clientOf(endpoints);
    const error = await client.machines().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FleetUnreachableError);
    for (const each of endpoints) {
      if (each.kind === "tcp")
        expect(String(error)).toContain(`http://127.0.0.1:${each.port}: connect ECONN`);
    }
    // Hints are made of what was wrong with the first.
    expect(error).toMatchObject({ cause: { code: "ECONNREFUSED" }, mayBeSent: false });
    client.close();
  });
});
