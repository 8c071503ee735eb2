import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@fleet/runtime";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Listeners } from "../../../packages/fleetd/src/listeners.ts";

const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

let directory: string;
let path: string;
let listeners: Listeners;
/** Requests that are not answered yet. */
let unanswered: ServerResponse[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetd-limits-"));
  path = join(directory, "fleet.sock");
  unanswered = [];
  listeners = new Listeners(silentLogger);
  await listeners.open([], [{ kind: "unix", path }]);
  const responder = createServer((_request, response) => unanswered.push(response));
  responder.maxConnections = 3;
  responder.on("upgrade", (_request, socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
  listeners.respondWith(responder);
});
afterEach(async () => {
  await listeners.close(0);
  await rm(directory, { recursive: true });
});

async function connected(text = ""): Promise<Socket> {
  const socket = connect({ path });
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  socket.write(text);
  return socket;
}

async function asking(): Promise<Socket> {
  const before = unanswered.length;
  const socket = await connected(request);
  await vi.waitFor(() => expect(unanswered).toHaveLength(before + 1));
  return socket;
}

const isClosed = (socket: Socket) => vi.waitFor(() => expect(socket.destroyed).toBe(true));

test("a new connection takes the place of the oldest idle one, never of one that is served", async () => {
  const served = await asking();
  const [idle, other] = [await connected(), await connected()];
  const newcomer = await asking();
  await isClosed(idle);
  await asking();
  await isClosed(other);
  expect([served.destroyed, newcomer.destroyed]).toEqual([false, false]);
});

test("where all are served it takes the place of the oldest, a stream apart", async () => {
  const stream = await connected(
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  await once(stream, "data");
  const [oldest, other] = [await asking(), await asking()];
  const newcomer = await asking();
  await isClosed(oldest);
  expect([stream.destroyed, other.destroyed, newcomer.destroyed]).toEqual([false, false, false]);
});

test("a connection that was answered is idle again", async () => {
  const [answered, busy] = [await asking(), await asking()];
  const heard = once(answered, "data");
  unanswered[0]?.end("hello");
  await heard;
  await asking();
  await asking();
  await isClosed(answered);
  expect(busy.destroyed).toBe(false);
});

test("a client with too many requests under way at once is thrown out", async () => {
  const greedy = await connected(request.repeat(1_000));
  await isClosed(greedy);
  expect(unanswered).toHaveLength(32);
  const modest = await connected(request.repeat(32));
  await vi.waitFor(() => expect(unanswered).toHaveLength(64));
  for (const response of unanswered) response.end("hello");
  modest.write(request);
  await vi.waitFor(() => expect(unanswered).toHaveLength(65));
  expect(modest.destroyed).toBe(false);
});
