import { connect } from "node:net";
import type { WatchFilter, WatchUpdate } from "@fleet/api/client";
import type { EventRecord } from "@fleet/registry";
import { FleetError } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { ClusterView } from "../../../packages/api/src/cache/cluster-view.ts";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const options = [
  { section: "Unit", name: "Description", value: "says hello" },
  { section: "Service", name: "ExecStart", value: "/bin/sleep infinity" },
];
const m1 = "abcd0001000000000000000000000001";

let registry: RegistryTwin;
let served: ServedApi;
let stopping: AbortController;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry);
  stopping = new AbortController();
});

afterEach(async () => {
  stopping.abort();
  await served.stop();
});

interface Stream {
  next(): Promise<WatchUpdate>;
  end(): Promise<void>;
}

function open(filter: WatchFilter, from: ServedApi = served): Stream {
  const leave = new AbortController();
  const signal = AbortSignal.any([stopping.signal, leave.signal]);
  const updates = from.client.watch(filter, signal)[Symbol.asyncIterator]();
  return {
    next: async () => {
      const result = await updates.next();
      if (result.done === true) throw new Error("the stream has ended");
      return result.value;
    },
    end: async () => {
      leave.abort();
      await updates.next().catch(() => {});
    },
  };
}

async function submit(name: string): Promise<void> {
  await registry.intents.put({ name, options, target: "launched" });
}

async function retarget(name: string): Promise<void> {
  await registry.intents.put({ name, target: "inactive" });
}

function assigned(unit: string): EventRecord {
  return { kind: "assigned", unit, machineId: m1, reason: "global" };
}

const since = (revision: number, cluster = "c1.1") => ({ since: { revision, cluster } });

describe("a stream of some kinds", () => {
  test("tells of no others", async () => {
    registry.machine(m1, "10.0.0.1");
    await submit("a.service");
    const stream = open({ kinds: ["states"] });
    expect(await stream.next()).toMatchObject({ type: "snapshot", units: [], states: [], machines: [] });
    await submit("b.service");
    registry.machine(m1, "10.0.0.2");
    registry.publish(m1, "a.service", {});
    expect(await stream.next()).toEqual({
      type: "delta",
      revision: registry.revision,
      states: { put: [expect.objectContaining({ name: "a.service" })], removed: [] },
    });
  });

  test("tells of recent events and then of each that comes", async () => {
    registry.record("1", { kind: "leader-elected", machineId: m1 });
    const stream = open({ kinds: ["events"] });
    expect(await stream.next()).toMatchObject({
      type: "snapshot",
      units: [],
      events: [
        { id: "1.000", kind: "leader-elected", machineID: m1, text: "machine abcd0001 was elected leader" },
      ],
    });
    await submit("a.service");
    registry.record("2", assigned("a.service"), { kind: "of a later version" }, assigned("b.service"));
    expect(await stream.next()).toEqual({
      type: "delta",
      revision: registry.revision,
      events: [
        expect.objectContaining({ id: "2.000", unit: "a.service", reason: "global" }),
        expect.objectContaining({ id: "2.002", unit: "b.service" }),
      ],
    });
  });

  test("with options=none has summaries in place of units", async () => {
    await submit("a.service");
    const stream = open({ options: "none", kinds: ["units"] });
    const summary = {
      name: "a.service",
      desiredState: "launched",
      currentState: "inactive",
      hash: registry.hashOf("a.service"),
      description: "says hello",
    };
    expect(await stream.next()).toMatchObject({ units: [], summaries: [summary] });
    registry.assign(m1, "a.service");
    expect(await stream.next()).toEqual({
      type: "delta",
      revision: registry.revision,
      summaries: { put: [{ ...summary, machineID: m1 }], removed: [] },
    });
    await registry.intents.destroy("a.service");
    expect(await stream.next()).toMatchObject({ summaries: { put: [], removed: ["a.service"] } });
  });

  test.each(["kinds=units,nothing", "options=all", "since=soon", "since=-1"])(
    "%s is refused",
    async (query) => {
      const socket = new WebSocket(`ws://localhost/fleet/v1/watch?${query}`, {
        createConnection: () => connect(served.socketPath),
      });
      const status = await new Promise((resolve) => {
        socket.on("unexpected-response", (request, response) => {
          request.destroy();
          resolve(response.statusCode);
        });
        socket.on("error", () => {});
        socket.on("open", () => resolve(101));
      });
      expect(status).toBe(400);
    },
  );
});

describe("a stream that is resumed", () => {
  const all: WatchFilter = { kinds: ["units", "states", "machines", "events"] };

  test("begins with exactly what was missed, and goes on", async () => {
    registry.machine(m1, "10.0.0.1");
    for (const name of ["a", "b", "c"]) await submit(`${name}.service`);
    const stream = open(all);
    expect(await stream.next()).toMatchObject({ type: "snapshot", cluster: "c1.1" });
    const cutAt = registry.revision;
    await stream.end();
    await retarget("a.service");
    await registry.intents.destroy("b.service");
    registry.record("1", assigned("c.service"));
    registry.machineGone(m1);
    const resumed = open({ ...all, ...since(cutAt) });
    expect(await resumed.next()).toEqual({
      type: "delta",
      revision: registry.revision,
      units: {
        put: [expect.objectContaining({ name: "a.service", desiredState: "inactive" })],
        removed: ["b.service"],
      },
      machines: { put: [], removed: [m1] },
      events: [expect.objectContaining({ id: "1.000" })],
    });
    await submit("d.service");
    expect(await resumed.next()).toMatchObject({ units: { put: [{ name: "d.service" }] } });
    expect(registry.replays).toBe(0);
  });

  test("is told so when nothing was missed", async () => {
    await submit("a.service");
    const stream = open(all);
    await stream.next();
    const resumed = open({ ...all, ...since(registry.revision) });
    expect(await resumed.next()).toEqual({ type: "delta", revision: registry.revision });
    await submit("b.service");
    expect(await resumed.next()).toMatchObject({ units: { put: [{ name: "b.service" }], removed: [] } });
  });

  test("limited to names is told on which machines its units are by now", async () => {
    registry.machine(m1, "10.0.0.1");
    registry.machine("m2", "10.0.0.2");
    await submit("a.service");
    registry.assign(m1, "a.service");
    const stream = open({ units: ["a.service"] });
    expect(await stream.next()).toMatchObject({ machines: [{ id: m1 }] });
    const cutAt = registry.revision;
    await stream.end();
    registry.withdraw(m1, "a.service");
    registry.assign("m2", "a.service");
    await submit("z.service");
    const resumed = open({ units: ["a.service"], ...since(cutAt) });
    expect(await resumed.next()).toMatchObject({
      units: { put: [{ name: "a.service", machineID: "m2" }], removed: [] },
      machines: { put: [{ id: "m2" }], removed: [m1] },
    });
  });

  describe("at a daemon that has not followed the cluster meanwhile", () => {
    let other: ServedApi;

    beforeEach(async () => {
      other = await serveApi(registry);
    });

    afterEach(() => other.stop());

    test("is told from etcd's own history; of many at once etcd is asked once", async () => {
      await submit("a.service");
      await submit("b.service");
      const cutAt = registry.revision;
      await retarget("a.service");
      await registry.intents.destroy("b.service");
      await submit("c.service");
      const streams = Array.from({ length: 20 }, () => open({ ...all, ...since(cutAt) }, other));
      for (const stream of streams) {
        const { revision } = registry;
        expect(await stream.next()).toEqual({
          type: "delta",
          revision,
          units: {
            put: [
              expect.objectContaining({ name: "a.service" }),
              expect.objectContaining({ name: "c.service" }),
            ],
            removed: ["b.service"],
          },
        });
      }
      expect(registry.replays).toBe(1);
    });

    test("waits for something that the history can end at", async () => {
      await submit("a.service");
      await submit("b.service");
      const cutAt = registry.revision;
      await registry.intents.destroy("b.service");
      const stream = open({ ...all, ...since(cutAt) }, other);
      const first = stream.next();
      await expect.poll(() => registry.following).toBe(1);
      await submit("c.service");
      expect(await first).toMatchObject({
        type: "delta",
        units: { put: [{ name: "c.service" }], removed: ["b.service"] },
      });
    });

    test("is not forgotten when etcd goes away while it is found out what it missed", async () => {
      await other.stop();
      other = await serveApi(registry, { deadlineMs: 5_000 });
      await submit("a.service");
      const cutAt = registry.revision;
      await registry.intents.destroy("a.service");
      const first = open({ ...all, ...since(cutAt) }, other).next();
      await expect.poll(() => registry.following).toBe(1);
      registry.goAway();
      registry.machine(m1, "10.0.0.1");
      await expect.poll(() => registry.replays).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      registry.comeBack();
      expect(await first).toMatchObject({ type: "status", status: "resync" });
    });

    test("is told to begin anew where etcd has forgotten it", async () => {
      await submit("a.service");
      const cutAt = registry.revision;
      await submit("b.service");
      await submit("c.service");
      registry.compactedAt = registry.revision - 1;
      const stream = open({ ...all, ...since(cutAt) }, other);
      expect(await stream.next()).toEqual({
        type: "status",
        status: "resync",
        message: "what has changed since can no longer be told",
      });
      expect(await stream.next()).toMatchObject({ type: "snapshot", revision: registry.revision });
      // What cannot be had is not asked for again and again.
      const next = open({ ...all, ...since(cutAt) }, other);
      expect(await next.next()).toMatchObject({ status: "resync" });
      expect(registry.replays).toBe(1);
    });

    test("that is behind it is told nothing twice", async () => {
      await submit("a.service");
      const behind = open(all, other);
      await behind.next();
      registry.held = true;
      await submit("b.service");
      await retarget("b.service");
      const cutAt = registry.revision;
      const resumed = open({ ...all, ...since(cutAt) }, other);
      expect(await resumed.next()).toEqual({ type: "delta", revision: cutAt });
      await submit("c.service");
      registry.deliver();
      expect(await resumed.next()).toMatchObject({ units: { put: [{ name: "c.service" }], removed: [] } });
      expect(await behind.next()).toMatchObject({ type: "delta" });
    });

    describe("that is behind it and asks etcd whether it may be", () => {
      let answer = (): void => {};
      let behind: Stream;
      let first: Promise<WatchUpdate>;

      beforeEach(async () => {
        behind = open(all, other);
        await behind.next();
        registry.held = true;
        registry.record("1", assigned("a.service"));
        const asked = vi.spyOn(registry.guard, "verify").mockReturnValue(
          new Promise((resolve) => {
            answer = resolve;
          }),
        );
        first = open({ ...all, ...since(registry.revision) }, other).next();
        await expect.poll(() => asked.mock.calls.length).toBe(1);
      });

      test("is told nothing twice of what comes meanwhile", async () => {
        registry.deliver();
        expect(await behind.next()).toMatchObject({ events: [{ id: "1.000" }] });
        answer();
        expect(await first).toEqual({ type: "delta", revision: registry.revision });
      });

      test("is told to begin anew where the store is seeded anew meanwhile", async () => {
        registry.seeding = "finished";
        answer();
        expect(await first).toMatchObject({
          status: "resync",
          message: "the revision is of another cluster",
        });
      });
    });

    test("that is behind it and freezes tells again what it does not know yet", async () => {
      await submit("a.service");
      await open(all, other).next();
      registry.held = true;
      for (const name of ["b", "c", "d"]) await submit(`${name}.service`);
      const resumed = open({ ...all, ...since(registry.revision) }, other);
      expect(await resumed.next()).toEqual({ type: "delta", revision: registry.revision });
      registry.frozen = new FleetError("cluster_frozen", "the store is another one");
      registry.deliverOne();
      expect(await resumed.next()).toMatchObject({ type: "status", status: "stale" });
      registry.frozen = undefined;
      registry.deliverOne();
      expect(await resumed.next()).toMatchObject({ type: "status", status: "connected" });
      expect(await resumed.next()).toMatchObject({
        type: "snapshot",
        units: [{ name: "a.service" }, { name: "b.service" }, { name: "c.service" }],
      });
      registry.deliverOne();
      expect(await resumed.next()).toMatchObject({ units: { put: [{ name: "d.service" }] } });
    });

    test("works out once what many have missed alike", async () => {
      await submit("a.service");
      const cutAt = registry.revision;
      await submit("b.service");
      const shown = vi.spyOn(ClusterView.prototype, "unit");
      const streams = Array.from({ length: 20 }, () => open({ ...all, ...since(cutAt) }, other));
      for (const stream of streams) {
        expect(await stream.next()).toMatchObject({ units: { put: [{ name: "b.service" }] } });
      }
      expect(shown.mock.calls).toEqual([["b.service"]]);
      shown.mockRestore();
    });
  });

  test.each([
    ["another cluster", () => since(registry.revision, "c2.1"), "the revision is of another cluster"],
    ["another epoch", () => since(registry.revision, "c1.7"), "the revision is of another cluster"],
    ["the future", () => since(registry.revision + 10), "what has changed since can no longer be told"],
  ])("from %s is told to begin anew", async (_from, position, why) => {
    await submit("a.service");
    const stream = open({ ...all, ...position() });
    expect(await stream.next()).toEqual({ type: "status", status: "resync", message: why });
    expect(await stream.next()).toMatchObject({ type: "snapshot", units: [{ name: "a.service" }] });
    await submit("b.service");
    expect(await stream.next()).toMatchObject({ type: "delta" });
  });

  test("is told to begin anew when events that it missed are gone", async () => {
    const stream = open({ kinds: ["events"] });
    await stream.next();
    const cutAt = registry.revision;
    await stream.end();
    registry.record("1", assigned("a.service"));
    registry.record("2", assigned("b.service"));
    registry.dropRecord("1");
    const units = open({ kinds: ["units"], ...since(cutAt) });
    expect(await units.next()).toEqual({ type: "delta", revision: registry.revision });
    const events = open({ kinds: ["events"], ...since(cutAt) });
    expect(await events.next()).toEqual({
      type: "status",
      status: "resync",
      message: "events that were to be told are gone",
    });
    expect(await events.next()).toMatchObject({ type: "snapshot", events: [{ id: "2.000" }] });
  });
});

describe("GET /events", () => {
  const get = async (query = "") => (await served.ask("GET", `/fleet/v1/events${query}`)).json;
  const ids = (...texts: readonly string[]) => ({
    events: texts.map((id) => expect.objectContaining({ id })),
  });

  beforeEach(() => {
    registry.record("1", { kind: "leader-elected", machineId: m1 }, assigned("a.service"));
    registry.record("2", {
      kind: "moved",
      unit: "b.service",
      machineId: "m2",
      fromMachineId: m1,
      reason: "machine_gone",
    });
    registry.record("3", {
      kind: "waiting",
      unit: "a.service",
      causes: [{ cause: "MachineMetadata", machines: 2 }],
    });
  });

  test("tells what has happened lately, the latest last", async () => {
    expect(await get()).toEqual(ids("1.000", "1.001", "2.000", "3.000"));
    expect(await get()).toMatchObject({
      events: [
        { kind: "leader-elected", at: new Date(1_000).toISOString() },
        { text: "a.service was assigned to machine abcd0001, as on every machine that fits" },
        {
          fromMachineID: m1,
          text: "b.service was moved from machine abcd0001 to machine m2: the machine is lost",
        },
        { text: "a.service waits for a machine: 2 machines lack the metadata that it asks for" },
      ],
    });
  });

  test.each([
    ["?unit=a.service", ["1.001", "3.000"]],
    [`?machine=${m1}`, ["1.000", "1.001", "2.000"]],
    ["?unit=b.service&machine=m2", ["2.000"]],
    ["?limit=2", ["2.000", "3.000"]],
    [`?machine=${m1}&limit=1`, ["2.000"]],
    ["?unit=absent.service", []],
  ])("%s is a choice of them", async (query, expected) => {
    expect(await get(query)).toEqual(ids(...expected));
  });

  test("with a limit that makes no sense is refused", async () => {
    expect((await served.ask("GET", "/fleet/v1/events?limit=none")).status).toBe(400);
  });

  test("is what the client reads", async () => {
    expect(await served.client.events({ unit: "b.service" })).toEqual([
      {
        id: "2.000",
        at: new Date(2_000).toISOString(),
        kind: "moved",
        unit: "b.service",
        machineID: "m2",
        fromMachineID: m1,
        reason: "machine_gone",
        text: "b.service was moved from machine abcd0001 to machine m2: the machine is lost",
      },
    ]);
  });
});
