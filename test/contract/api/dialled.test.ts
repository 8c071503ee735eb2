import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Duplex, duplexPair } from "node:stream";
import { type Endpoint, FleetClient, FleetUnreachableError } from "@fleet/api/client";
import { describe, expect, it } from "vitest";
import { OneMachineCluster } from "../fleetctl/one-machine-cluster.ts";
import { certificates } from "../registry/certificates.ts";

const endpoint: Endpoint = { kind: "tcp", secure: false, hostname: "fleet.example", port: 80 };

/** A stream that is no socket, as one out of pipes, whose other end goes to a daemon's socket after a while. */
function overPipes(socketPath: string, after: Promise<void> = Promise.resolve()): Duplex {
  const [ours, theirs] = duplexPair();
  const socket = createConnection(socketPath);
  after.then(() => theirs.pipe(socket).pipe(theirs)).catch(() => {});
  ours.once("close", () => socket.destroy());
  socket.once("error", () => {});
  return ours;
}

describe("a client whose connections are dialled", () => {
  it("keeps a connection for the next request, and follows the stream over another", async () => {
    const cluster = await OneMachineCluster.start();
    const dialled: Endpoint[] = [];
    const client = new FleetClient({
      endpoint,
      requestTimeoutMs: 5_000,
      dial: (to) => {
        dialled.push(to);
        return overPipes(cluster.endpoint.replace("unix://", ""));
      },
    });
    await client.machines();
    await client.units();
    expect(dialled).toEqual([endpoint]);
    const stop = new AbortController();
    for await (const update of client.watch({}, stop.signal)) {
      expect(update.type).toBe("snapshot");
      break;
    }
    expect(dialled).toHaveLength(2);
    client.close();
    await cluster.close();
  });

  it("opens no more than it may, and loses no request over it", async () => {
    const cluster = await OneMachineCluster.start();
    let dialled = 0;
    const client = new FleetClient({
      endpoint,
      requestTimeoutMs: 5_000,
      maxConnections: 1,
      dial: () => {
        dialled += 1;
        return overPipes(cluster.endpoint.replace("unix://", ""));
      },
    });
    await Promise.all(Array.from({ length: 20 }, () => client.machines()));
    // Requests that have waited for the connection, and such that find it idle.
    await client.machines();
    await Promise.all(Array.from({ length: 3 }, (_, index) => client.destroyUnit(`${index}.service`)));
    expect(dialled).toBe(1);
    client.close();
    await cluster.close();
  });

  it.each([
    ["does not take the time of setting it up from the request", 60_000, true],
    ["does not wait for it for ever", 100, false],
  ])("%s", async (_name, dialTimeoutMs, answers) => {
    const cluster = await OneMachineCluster.start();
    let connect = (): void => {};
    const up = new Promise<void>((resolve) => {
      connect = resolve;
    });
    const client = new FleetClient({
      endpoint,
      requestTimeoutMs: 50,
      dialTimeoutMs,
      dial: () => overPipes(cluster.endpoint.replace("unix://", ""), up),
    });
    // Well above the request's own time.
    const timer = setTimeout(connect, 200);
    const outcome = client.machines().then(
      (machines) => machines.length,
      (error: unknown) => error,
    );
    if (answers) expect(await outcome).toBe(1);
    else expect(await outcome).toMatchObject({ message: "no answer within 0.15 s" });
    clearTimeout(timer);
    connect();
    client.close();
    await cluster.close();
  });

  it("speaks TLS where the endpoint asks for it, and checks the certificate", async () => {
    const directory = await mkdtemp(join(tmpdir(), "dialled-"));
    const files = await certificates(directory);
    const [ca, cert, key] = await Promise.all(
      [files.ca, files.cert, files.key].map((path) => readFile(path, "utf8")),
    );
    const server = createTlsServer({ cert, key }, (_, response) => response.end('{"machines":[{"id":"a"}]}'));
    const socketPath = join(directory, "daemon.sock");
    await new Promise<void>((done) => server.listen(socketPath, done));
    const secure: Endpoint = { kind: "tcp", secure: true, hostname: "127.0.0.1", port: 1 };
    const through = { endpoint: secure, requestTimeoutMs: 5_000, dial: () => overPipes(socketPath) };
    const knowing = new FleetClient({ ...through, ...(ca === undefined ? {} : { tls: { ca } }) });
    expect(await knowing.machines()).toMatchObject([{ id: "a" }]);
    expect(await knowing.machines()).toMatchObject([{ id: "a" }]);
    const elsewhere = new FleetClient({
      ...through,
      endpoint: { ...secure, hostname: "fleet.example" },
      ...(ca === undefined ? {} : { tls: { ca } }),
    });
    await expect(elsewhere.machines()).rejects.toThrow("Hostname/IP does not match certificate's altnames");
    const unknowing = new FleetClient(through);
    await expect(unknowing.machines()).rejects.toThrow(/certificate/);
    for (const client of [knowing, elsewhere, unknowing]) client.close();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    await rm(directory, { recursive: true });
  });

  it("gives the reason why a connection could not be opened", async () => {
    const reason = new Error("no way through");
    const dial = (): Duplex => {
      const [ours] = duplexPair();
      setImmediate(() => ours.destroy(reason));
      return ours;
    };
    const client = new FleetClient({ endpoint, requestTimeoutMs: 5_000, dial });
    const error = await client.machines().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FleetUnreachableError);
    expect(error).toMatchObject({ message: "no way through", cause: reason });
    client.close();
  });

  it("says of a request over a kept connection that takes too long that nobody answers", async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      if (asked === 1) response.end('{"machines":[]}');
    });
    const dial = (): Duplex => {
      const [ours, theirs] = duplexPair();
      server.emit("connection", theirs);
      return ours;
    };
    const client = new FleetClient({ endpoint, requestTimeoutMs: 100, dialTimeoutMs: 60_000, dial });
    await client.machines();
    await expect(client.machines()).rejects.toThrow("no answer within 0.1 s");
    client.close();
  });
});
