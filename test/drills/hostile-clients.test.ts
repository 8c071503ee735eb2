import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { useLabCluster } from "../e2e/lab-cluster.ts";

const lab = useLabCluster({ machines: [{}], restore: false });

/** fleetctl's own --request-timeout is 3 s, and the program takes its time to start. */
const SERVED_WITHIN_MS = 3_000;

/** What all of the hostile clients of a test may make fleetd grow by. */
const MEMORY_MIB = 200;

/** What a listener takes at a time, and more than that. */
const CONNECTIONS = 4_096;
const FLOOD = 5_000;

/** A client that is up to no good: what it was told, and whether it was thrown out. */
interface Intruder {
  readonly socket: Socket;
  readonly heard: () => string;
  readonly ended: Promise<void>;
}

const intruders: Intruder[] = [];

afterEach(() => {
  for (const { socket } of intruders.splice(0)) socket.destroy();
});

function intrude(text = ""): Intruder {
  const socket = connect({ path: lab.machine("m1").socketPath });
  let heard = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    heard += chunk;
  });
  // It is thrown out: that is the point.
  socket.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  if (text !== "") socket.write(text);
  const intruder = { socket, heard: () => heard, ended };
  intruders.push(intruder);
  return intruder;
}

function intrudeOften(count: number, text = ""): readonly Intruder[] {
  return Array.from({ length: count }, () => intrude(text));
}

function residentMiB(): number {
  const status = readFileSync(`/proc/${lab.machine("m1").fleetdPid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** Everybody else is served all the while, and fleetd does not swell. */
async function whileServingOthers(attack: () => Promise<unknown>): Promise<void> {
  const before = residentMiB();
  let over = false;
  const attacked = attack().finally(() => {
    over = true;
  });
  let slowestMs = 0;
  let most = before;
  do {
    const result = await lab.fleetctl("list-machines");
    expect(result).toMatchObject({
      exitCode: 0,
      stderr: "",
      stdout: expect.stringContaining("11111111..."),
    });
    slowestMs = Math.max(slowestMs, result.ms);
    most = Math.max(most, residentMiB());
  } while (!over);
  await attacked;
  expect(slowestMs).toBeLessThan(SERVED_WITHIN_MS);
  expect(most - before).toBeLessThan(MEMORY_MIB);
}

describe("cut off, while everybody else is served:", () => {
  it("headers and bodies that never end", async () => {
    await whileServingOthers(async () => {
      const headers = intrudeOften(300, "GET /fleet/v1/units HTTP/1.1\r\nHost: x\r\n");
      const bodies = intrudeOften(
        300,
        "PUT /fleet/v1/units/a.service HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
      );
      const drip = setInterval(() => {
        for (const { socket } of headers) if (socket.writable) socket.write("X-A: b\r\n");
        for (const { socket } of bodies) if (socket.writable) socket.write(" ");
      }, 1_000);
      await Promise.all([...headers, ...bodies].map(({ ended }) => ended));
      clearInterval(drip);
      expect(headers[0]?.heard()).toContain("HTTP/1.1 408");
      expect(bodies[0]?.heard()).toContain("HTTP/1.1 408");
    });
  });

  it("headers without measure", async () => {
    await whileServingOthers(async () => {
      const giants = intrudeOften(
        100,
        `GET / HTTP/1.1\r\nHost: x\r\nX-Giant: ${"x".repeat(1_000_000)}\r\n\r\n`,
      );
      await Promise.all(giants.map(({ ended }) => ended));
      // Who goes on sending may be cut off before it has read why.
      const refused = "HTTP/1.1 431 Request Header Fields Too Large";
      for (const { heard } of giants) expect(["", refused]).toContain(heard().split("\r\n")[0]);
    });
  });

  it("garbage behind a request", async () => {
    await whileServingOthers(async () => {
      const request = "GET /fleet/v1/machines HTTP/1.1\r\nHost: x\r\n\r\n";
      const babblers = intrudeOften(100, `${request}${request}\u0000\u0001garbage\r\n\r\n`);
      await Promise.all(babblers.map(({ ended }) => ended));
      for (const { heard } of babblers) expect(heard()).toContain("HTTP/1.1 400");
    });
  });

  it("requests without end whose answers nobody reads", async () => {
    await whileServingOthers(async () => {
      const request = "GET /fleet/v1/machines HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
      const deaf = intrudeOften(20);
      for (const { socket } of deaf) {
        socket.pause();
        socket.write(request);
      }
      await Promise.all(deaf.map(({ ended }) => ended));
    });
  });

  it("more connections than there is room for", async () => {
    await whileServingOthers(async () => {
      for (let n = 0; n < FLOOD; n += 500) {
        intrudeOften(500);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await lab.cluster.waitFor({
        what: "room for others",
        probe: async () => intruders.filter(({ socket }) => socket.destroyed).length,
        until: (closed) => closed >= FLOOD - CONNECTIONS,
        timeoutMs: 10_000,
      });
    });
  });

  it("more streams than there is room for", async () => {
    await whileServingOthers(async () => {
      const url = `ws+unix:${lab.machine("m1").socketPath}:/fleet/v1/watch`;
      const sockets: WebSocket[] = [];
      const outcomes = await Promise.all(
        Array.from({ length: 300 }, () => {
          const socket = new WebSocket(url);
          sockets.push(socket);
          return new Promise<number>((resolve) => {
            socket.once("open", () => resolve(101));
            socket.once("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
            socket.once("error", () => resolve(0));
          });
        }),
      );
      const count = (status: number): number => outcomes.filter((outcome) => outcome === status).length;
      expect([count(101), count(503)]).toEqual([256, 44]);
      for (const socket of sockets) socket.terminate();
    });
  });
});
