import { ClusterStream, Picture, type StreamListener, type StreamState } from "@fleet/dashboard";
import { beforeEach, describe, expect, test } from "vitest";
import { ManualClock, quiet } from "../engine/manual-clock.ts";
import { delta, machine, snapshot } from "./cluster-messages.ts";

/** A server as a browser sees it: sockets opened, and whether it answers. */
class FakeServer {
  readonly sockets: { readonly path: string; readonly listener: StreamListener; closed: boolean }[] = [];
  answers = true;

  readonly open = (path: string, listener: StreamListener) => {
    const socket = { path, listener, closed: false };
    this.sockets.push(socket);
    return {
      close: () => {
        socket.closed = true;
      },
    };
  };

  get last() {
    return this.sockets.at(-1) ?? expect.fail("no socket was opened");
  }

  tell(message: unknown): void {
    this.last.listener.message(JSON.stringify(message));
  }
}

let clock: ManualClock;
let server: FakeServer;
let picture: Picture;
let stream: ClusterStream;
let seen: StreamState["kind"][];

beforeEach(() => {
  clock = new ManualClock();
  server = new FakeServer();
  picture = new Picture();
  seen = [];
  stream = new ClusterStream(
    { open: server.open, probe: async () => server.answers, clock, random: () => 1 },
    picture,
    () => seen.push(stream.state.kind),
  );
  stream.start();
});

const path = "/fleet/v1/watch?kinds=units,states,machines,events&options=none";

describe("ClusterStream", () => {
  test("fills the picture and is live with the first snapshot", () => {
    expect(server.last.path).toBe(path);
    expect(stream.state).toEqual({ kind: "connecting" });
    server.tell(snapshot({ machines: [machine(1)] }));
    server.tell(delta(101, { machines: { put: [machine(2)], removed: [] } }));
    expect(stream.state).toEqual({ kind: "live" });
    expect(picture.machineIds).toHaveLength(2);
  });

  test("goes on from where it was when the connection is lost", () => {
    server.tell(snapshot({}));
    server.tell(delta(107, {}));
    server.last.listener.closed();
    expect(stream.state).toEqual({ kind: "lost", since: clock.now(), retryAt: clock.now() + 500 });
    clock.advance(500);
    expect(server.last.path).toBe(`${path}&since=107&cluster=c1`);
    server.tell(delta(107, {}));
    expect(stream.state.kind).toBe("live");
  });

  test("tries less and less often, and at once when told to", () => {
    const since = clock.now();
    for (const delayMs of [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      server.last.listener.closed();
      expect(stream.state).toEqual({ kind: "lost", since, retryAt: clock.now() + delayMs });
      clock.advance(delayMs);
    }
    server.last.listener.closed();
    const { length } = server.sockets;
    stream.start();
    expect(server.sockets).toHaveLength(length + 1);
    expect(stream.state).toEqual({ kind: "lost", since, retryAt: undefined });
    // What had been due before is not done besides.
    clock.advance(9_000);
    expect(server.sockets).toHaveLength(length + 1);
  });

  test("begins with short waits again after a message", () => {
    for (const delayMs of [500, 1_000]) {
      server.last.listener.closed();
      clock.advance(delayMs);
    }
    server.tell(snapshot({}));
    server.last.listener.closed();
    expect(stream.state).toMatchObject({ kind: "lost", retryAt: clock.now() + 500 });
  });

  test("says that fleetd has lost etcd, until a message says otherwise", () => {
    server.tell(snapshot({}));
    server.tell({ type: "status", status: "stale", message: "no etcd" });
    expect(stream.state).toEqual({ kind: "stale", message: "no etcd" });
    server.tell({ type: "status", status: "connected" });
    expect(stream.state.kind).toBe("stale");
    server.tell(snapshot({ revision: 120 }));
    expect(stream.state).toEqual({ kind: "live" });
  });

  test("a snapshot follows where the server cannot resume", () => {
    server.tell(snapshot({ machines: [machine(1)] }));
    server.tell({ type: "status", status: "resync", message: "compacted" });
    server.tell(snapshot({ revision: 300, machines: [machine(2)] }));
    expect(picture.machineIds).toEqual([machine(2).id]);
    expect(picture.revision).toBe(300);
  });

  test("notices that a silent server is gone, and only then", async () => {
    server.tell(snapshot({}));
    clock.advance(15_000);
    await quiet();
    expect(stream.state).toEqual({ kind: "live" });
    server.answers = false;
    clock.advance(15_000);
    await quiet();
    expect(stream.state.kind).toBe("lost");
    expect(server.last.closed).toBe(true);
  });

  test("gives up on a connection on which nothing comes", () => {
    clock.advance(10_000);
    expect(stream.state.kind).toBe("lost");
    expect(server.last.closed).toBe(true);
  });

  test("does not hear a socket that it has left", () => {
    const [left] = server.sockets;
    stream.start();
    left?.listener.message(JSON.stringify(snapshot({ machines: [machine(1)] })));
    left?.listener.closed();
    expect(picture.filled).toBe(false);
    expect(stream.state).toEqual({ kind: "connecting" });
  });

  test("passes over what it does not understand", () => {
    server.tell(snapshot({}));
    server.last.listener.message("no JSON");
    server.tell({ type: "from a newer server" });
    expect(stream.state).toEqual({ kind: "live" });
    expect(picture.revision).toBe(100);
  });
});
