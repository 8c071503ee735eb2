import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { takeInheritedSockets } from "../../../packages/fleetd/src/inherited-sockets.ts";
import { Listeners } from "../../../packages/fleetd/src/listeners.ts";

let directory: string;
let path: string;
let listeners: Listeners;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetd-listen-"));
  path = join(directory, "run", "fleet.sock");
  listeners = new Listeners(silentLogger);
});
afterEach(async () => {
  await listeners.close(0);
  await rm(directory, { recursive: true });
});

function says(text: string): Server {
  return createServer((_request, response) => response.end(text));
}

const arrivals = (count: number) => vi.waitFor(() => expect(listeners.waiting).toBe(count));

/** Status and body of a GET over a unix socket or a TCP port. */
function get(where: { socketPath: string } | { port: number }): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: "127.0.0.1", path: "/", agent: false, ...where },
      async (response) => {
        let body = "";
        for await (const chunk of response.setEncoding("utf8")) body += chunk;
        resolve({ status: response.statusCode ?? 0, body });
      },
    );
    request.once("error", reject);
    request.end();
  });
}

describe("Listeners", () => {
  test("serves a unix socket in a directory it creates, closed to other users", async () => {
    await listeners.open([], [{ kind: "unix", path }]);
    listeners.respondWith(says("hello"));
    expect(await get({ socketPath: path })).toEqual({ status: 200, body: "hello" });
    expect((await lstat(path)).mode & 0o777).toBe(0o660);
  });

  test("lets in more than a thousand clients that come at the same moment", async () => {
    await listeners.open([], [{ kind: "unix", path }]);
    listeners.respondWith(says("hello"));
    // None is accepted before this loop has ended: all of them have to fit into the queue.
    const clients = Array.from({ length: 1_200 }, () => connect({ path }));
    const outcomes = await Promise.all(
      clients.map(
        (client) =>
          new Promise<string>((resolve) => {
            client.once("connect", () => resolve("connected"));
            client.once("error", ({ message }) => resolve(message));
          }),
      ),
    );
    for (const client of clients) client.destroy();
    expect(new Set(outcomes)).toEqual(new Set(["connected"]));
  });

  test("serves TCP beside it", async () => {
    await listeners.open(
      [],
      [
        { kind: "unix", path },
        { kind: "tcp", host: "127.0.0.1", port: 0 },
      ],
    );
    listeners.respondWith(says("hello"));
    const [port = 0] = listeners.ports;
    expect(await get({ port })).toEqual({ status: 200, body: "hello" });
    expect(await get({ socketPath: path })).toEqual({ status: 200, body: "hello" });
  });

  test("keeps the socket over a change of responder, and requests meanwhile wait for the next one", async () => {
    await listeners.open([], [{ kind: "unix", path }]);
    const early = get({ socketPath: path });
    await arrivals(1);
    listeners.respondWith(says("old"));
    expect((await early).body).toBe("old");
    listeners.respondWith(undefined);
    const between = get({ socketPath: path });
    await arrivals(1);
    listeners.respondWith(says("new"));
    expect((await between).body).toBe("new");
  });

  test("what still waits when it closes is refused", async () => {
    await listeners.open([], [{ kind: "unix", path }]);
    const waiting = get({ socketPath: path });
    await arrivals(1);
    await listeners.close(1_000);
    expect(await waiting).toEqual({
      status: 503,
      body: '{"error":{"code":503,"message":"fleetd is starting or stopping"}}',
    });
  });

  test("does not let more than a bound wait", async () => {
    listeners = new Listeners(silentLogger, 1);
    await listeners.open([], [{ kind: "unix", path }]);
    const waiting = get({ socketPath: path });
    await arrivals(1);
    expect((await get({ socketPath: path })).status).toBe(503);
    listeners.respondWith(says("hello"));
    expect((await waiting).status).toBe(200);
  });

  test("hands upgrades to the responder, and refuses them where it takes none", async () => {
    await listeners.open([], [{ kind: "unix", path }]);
    const upgrade = async (): Promise<string> => {
      const socket = connect({ path });
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      let text = "";
      for await (const chunk of socket.setEncoding("utf8")) text += chunk;
      return text.split("\r\n")[0] ?? "";
    };
    const server = says("no");
    listeners.respondWith(server);
    expect(await upgrade()).toBe("HTTP/1.1 503 Service Unavailable");
    server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    expect(await upgrade()).toBe("HTTP/1.1 101 Switching Protocols");
  });

  test("lets a request in progress end, then breaks off what does not", async () => {
    await listeners.open([], [{ kind: "unix", path }]);
    const inProgress = async (): Promise<{ response: ServerResponse; answered: ReturnType<typeof get> }> => {
      const server = createServer();
      listeners.respondWith(server);
      const arrived = once(server, "request");
      const answered = get({ socketPath: path });
      const [, response] = await arrived;
      return { response, answered };
    };
    const patient = await inProgress();
    const closed = listeners.close(5_000);
    patient.response.end("done");
    await closed;
    expect(await patient.answered).toEqual({ status: 200, body: "done" });

    await listeners.open([], [{ kind: "unix", path }]);
    const { answered } = await inProgress();
    const broken = expect(answered).rejects.toThrow("socket hang up");
    await listeners.close(1);
    await broken;
  });

  test("takes over the socket file of a process that died", async () => {
    const script = `require("net").createServer().listen(${JSON.stringify(join(directory, "stale.sock"))}, () => process.kill(process.pid, "SIGKILL"))`;
    await once(spawn(process.execPath, ["-e", script]), "exit");
    const stale = join(directory, "stale.sock");
    expect((await lstat(stale)).isSocket()).toBe(true);
    await listeners.open([], [{ kind: "unix", path: stale }]);
    listeners.respondWith(says("hello"));
    expect((await get({ socketPath: stale })).body).toBe("hello");
  });

  test("leaves a socket alone that somebody else listens on", async () => {
    await listeners.open([], [{ kind: "unix", path }]);
    listeners.respondWith(says("first"));
    const second = new Listeners(silentLogger);
    await expect(second.open([], [{ kind: "unix", path }])).rejects.toThrow(
      `cannot listen on unix://${path}: another process listens there`,
    );
    expect((await get({ socketPath: path })).body).toBe("first");
  });

  test("never removes a file that is no socket", async () => {
    const file = join(directory, "fleet.sock");
    await writeFile(file, "precious");
    await expect(listeners.open([], [{ kind: "unix", path: file }])).rejects.toThrow(
      `cannot listen on unix://${file}: a file that is no socket is there`,
    );
    expect((await lstat(file)).isFile()).toBe(true);
  });

  test("opens all or none", async () => {
    await listeners.open([], [{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
    const [port = 0] = listeners.ports;
    const second = new Listeners(silentLogger);
    const addresses = [
      { kind: "unix", path },
      { kind: "tcp", host: "127.0.0.1", port },
    ] as const;
    await expect(second.open([], addresses)).rejects.toThrow(
      `cannot listen on tcp://127.0.0.1:${port}: the address is in use by another process`,
    );
    await expect(lstat(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("says that a descriptor is no socket", async () => {
    await expect(listeners.open([0x7f], [])).rejects.toMatchObject({
      code: "listen_failed",
      message: expect.stringContaining("cannot listen on the socket passed as descriptor 127: "),
    });
  });
});

describe("takeInheritedSockets", () => {
  const cases: readonly { what: string; environment: Record<string, string>; expected: readonly number[] }[] =
    [
      { what: "two sockets", environment: { LISTEN_PID: "7", LISTEN_FDS: "2" }, expected: [3, 4] },
      { what: "none", environment: {}, expected: [] },
      { what: "those of another process", environment: { LISTEN_PID: "8", LISTEN_FDS: "2" }, expected: [] },
      { what: "a count of zero", environment: { LISTEN_PID: "7", LISTEN_FDS: "0" }, expected: [] },
      { what: "a count that is no number", environment: { LISTEN_PID: "7", LISTEN_FDS: "x" }, expected: [] },
      { what: "an absurd count", environment: { LISTEN_PID: "7", LISTEN_FDS: "1000000" }, expected: [] },
    ];
  test.each(cases)("finds $what and takes the variables away", ({ environment, expected }) => {
    const all: Record<string, string | undefined> = { ...environment, LISTEN_FDNAMES: "a:b", PATH: "/bin" };
    expect(takeInheritedSockets(all, 7)).toEqual(expected);
    expect(all).toEqual({ PATH: "/bin" });
  });
});
