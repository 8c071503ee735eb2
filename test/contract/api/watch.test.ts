import { connect } from "node:net";
import { watchMessageShape } from "@fleet/api";
import { type FleetClient, FleetUnreachableError, type WatchUpdate } from "@fleet/api/client";
import { FleetError } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const options = [{ section: "Service", name: "ExecStart", value: "/bin/sleep infinity" }];
const m1 = "abcd0001000000000000000000000001";
const m2 = "abcd0002000000000000000000000002";

let registry: RegistryTwin;
let served: ServedApi;
let stopping: AbortController;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry, { streamDrainMs: 200 });
  stopping = new AbortController();
});

afterEach(async () => {
  stopping.abort();
  await served.stop();
});

function follow(client: FleetClient, units: readonly string[] = []) {
  const updates = client.watch({ units }, stopping.signal)[Symbol.asyncIterator]();
  return {
    next: async (): Promise<WatchUpdate> => {
      const result = await updates.next();
      if (result.done === true) throw new Error("the stream has ended");
      return result.value;
    },
    done: async () => (await updates.next()).done,
  };
}

function unit(name: string, more: object = {}) {
  return { name, options, desiredState: "launched", currentState: "inactive", ...more };
}

function submit(name: string) {
  return registry.intents.put({ name, options, target: "launched" });
}

describe("a stream", () => {
  test("begins with a snapshot and goes on with deltas", async () => {
    registry.machine(m1, "10.0.0.1", { a: "b" });
    await submit("a.service");
    const stream = follow(served.client);
    expect(await stream.next()).toEqual({
      type: "snapshot",
      revision: registry.revision,
      units: [unit("a.service")],
      states: [],
      machines: [{ id: m1, primaryIP: "10.0.0.1", metadata: { a: "b" } }],
      cluster: "c1.1",
    });
    await submit("b.service");
    expect(await stream.next()).toEqual({
      type: "delta",
      revision: registry.revision,
      units: { put: [unit("b.service")], removed: [] },
    });
    registry.publish(m1, "a.service", {});
    expect(await stream.next()).toEqual({
      type: "delta",
      revision: registry.revision,
      units: { put: [unit("a.service", { currentState: "launched", machineID: m1 })], removed: [] },
      states: {
        put: [
          {
            name: "a.service",
            machineID: m1,
            hash: registry.hashOf("a.service"),
            systemdLoadState: "loaded",
            systemdActiveState: "active",
            systemdSubState: "running",
          },
        ],
        removed: [],
      },
    });
    await registry.intents.destroy("b.service");
    expect(await stream.next()).toMatchObject({ units: { put: [], removed: ["b.service"] } });
    registry.unpublish(m1, "a.service");
    expect(await stream.next()).toMatchObject({
      states: { put: [], removed: [{ name: "a.service", machineID: m1 }] },
    });
    registry.machineGone(m1);
    expect(await stream.next()).toMatchObject({ machines: { put: [], removed: [m1] } });
  });

  test("limited to names tells of these units and of the machines they are on, no others", async () => {
    registry.machine(m1, "10.0.0.1");
    registry.machine(m2, "10.0.0.2");
    await submit("a.service");
    await submit("z.service");
    const stream = follow(served.client, ["a.service", "absent.service"]);
    expect(await stream.next()).toMatchObject({ units: [unit("a.service")], states: [], machines: [] });
    registry.publish(m2, "z.service", {});
    registry.machine(m2, "10.0.0.9");
    registry.assign(m1, "a.service");
    expect(await stream.next()).toEqual({
      type: "delta",
      revision: registry.revision,
      units: { put: [unit("a.service", { machineID: m1 })], removed: [] },
      machines: { put: [{ id: m1, primaryIP: "10.0.0.1", metadata: {} }], removed: [] },
    });
    registry.withdraw(m1, "a.service");
    expect(await stream.next()).toMatchObject({
      units: { put: [unit("a.service")] },
      machines: { put: [], removed: [m1] },
    });
  });

  test("sends only what the contract describes", async () => {
    await submit("a.service");
    const socket = new WebSocket("ws://localhost/fleet/v1/watch?units=a.service&future=1", {
      createConnection: () => connect(served.socketPath),
    });
    const messages: unknown[] = [];
    socket.on("message", (data) => messages.push(JSON.parse(String(data))));
    await new Promise((resolve) => socket.once("message", resolve));
    registry.assign(m1, "a.service");
    await new Promise((resolve) => socket.once("message", resolve));
    expect(messages.map((message) => watchMessageShape.parse(message).type)).toEqual(["snapshot", "delta"]);
    socket.terminate();
  });

  test("tells when etcd is away, and begins anew when it is back", async () => {
    await submit("a.service");
    const stream = follow(served.client);
    expect(await stream.next()).toMatchObject({ type: "snapshot" });
    registry.goAway();
    expect(await stream.next()).toEqual({
      type: "status",
      status: "stale",
      message: "fleet server unable to communicate with etcd",
    });
    registry.comeBack();
    expect(await stream.next()).toEqual({ type: "status", status: "connected" });
    expect(await stream.next()).toMatchObject({ type: "snapshot", units: [{ name: "a.service" }] });
    await submit("b.service");
    expect(await stream.next()).toMatchObject({ type: "delta" });
  });

  test("opened while etcd is away says so instead of staying silent", async () => {
    registry.store = "away";
    const stream = follow(served.client);
    expect(await stream.next()).toMatchObject({ type: "status", status: "stale" });
    registry.comeBack();
    expect(await stream.next()).toMatchObject({ type: "status", status: "connected" });
    expect(await stream.next()).toMatchObject({ type: "snapshot" });
  });

  test("keeps the cache open while it lasts, and no longer", async () => {
    await served.stop();
    served = await serveApi(registry, { cacheIdleMs: 20 });
    const stream = follow(served.client);
    await stream.next();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(registry.following).toBe(1);
    stopping.abort();
    await expect(stream.next()).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(() => registry.following).toBe(0);
  });
});

describe("a receiver that does not read", () => {
  /** Opens a stream and never reads from its socket again. */
  async function openDeaf(): Promise<WebSocket> {
    const socket = new WebSocket("ws://localhost/fleet/v1/watch", {
      createConnection: () => connect(served.socketPath),
    });
    await new Promise((resolve) => socket.once("open", resolve));
    socket.pause();
    return socket;
  }

  const large = [{ section: "Unit", name: "Description", value: "x".repeat(900_000) }];

  test("is cut off with the resync code, and hinders no one else", async () => {
    const deaf = await openDeaf();
    const other = follow(served.client, ["last.service"]);
    expect(await other.next()).toMatchObject({ type: "snapshot" });
    for (let turn = 0; turn < 8; turn += 1) {
      await registry.intents.put({
        name: `big${turn}.service`,
        options: [...large, { section: "Unit", name: "N", value: `${turn}` }],
      });
    }
    await submit("last.service");
    expect(await other.next()).toMatchObject({ type: "delta", units: { put: [{ name: "last.service" }] } });
    await new Promise((resolve) => setTimeout(resolve, 400));
    const closed = new Promise<number>((resolve) => deaf.once("close", resolve));
    deaf.resume();
    expect(await closed).toBe(4001);
  });

  test("that comes back in time gets the latest state once, not every step", async () => {
    await served.stop();
    served = await serveApi(registry, { streamDrainMs: 5_000 });
    for (let turn = 0; turn < 4; turn += 1) {
      const more = [...large, { section: "Unit", name: "N", value: `${turn}` }];
      await registry.intents.put({ name: `big${turn}.service`, options: more });
    }
    const slow = await openDeaf();
    const messages: { type: string; size: number; targets: unknown }[] = [];
    slow.on("message", (data) => {
      const message = watchMessageShape.parse(JSON.parse(String(data)));
      const units = message.type === "delta" ? (message.units?.put ?? []) : [];
      messages.push({ type: message.type, size: units.length, targets: units[0]?.desiredState });
    });
    await submit("busy.service");
    for (const target of ["loaded", "launched", "inactive"] as const) {
      await registry.intents.put({ name: "busy.service", target });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    slow.resume();
    await expect.poll(() => messages.length).toBe(2);
    expect(messages).toEqual([
      { type: "snapshot", size: 0, targets: undefined },
      { type: "delta", size: 1, targets: "inactive" },
    ]);
    slow.terminate();
  });
});

describe("an upgrade is refused", () => {
  function status(path: string, headers: Record<string, string> = {}): Promise<number> {
    const socket = new WebSocket(`ws://fleet${path}`, {
      createConnection: () => connect(served.socketPath),
      headers,
    });
    return new Promise((resolve, reject) => {
      socket.on("open", () => {
        socket.terminate();
        resolve(101);
      });
      socket.on("unexpected-response", (request, response) => {
        expect(response.headers.server).toBe("fleetd/9.9.9");
        request.destroy();
        resolve(response.statusCode ?? 0);
      });
      socket.on("error", reject);
    });
  }

  test("where there is nothing to watch", async () => {
    expect(await status("/fleet/v1/nope")).toBe(404);
    expect(await status("/fleet/v1/units")).toBe(400);
    expect(await status("/v1-alpha/watch")).toBe(101);
  });

  test("to pages of other sites", async () => {
    expect(await status("/fleet/v1/watch", { origin: "http://evil.example" })).toBe(403);
    expect(await status("/fleet/v1/watch", { origin: "null" })).toBe(403);
    expect(await status("/fleet/v1/watch", { origin: "http://fleet" })).toBe(101);
  });

  test("while the store is frozen out", async () => {
    registry.frozen = new FleetError("cluster_missing", "wiped");
    expect(await status("/fleet/v1/watch")).toBe(503);
  });

  test("above the number of streams allowed", async () => {
    await served.stop();
    served = await serveApi(registry, { maxStreams: 1 });
    const stream = follow(served.client);
    await stream.next();
    expect(await status("/fleet/v1/watch")).toBe(503);
  });
});

describe("when the daemon stops", () => {
  test("a stream ends and its client is told", async () => {
    const stream = follow(served.client);
    await stream.next();
    const ended = stream.next();
    await Promise.all([expect(ended).rejects.toBeInstanceOf(FleetUnreachableError), served.api.close()]);
  });
});
