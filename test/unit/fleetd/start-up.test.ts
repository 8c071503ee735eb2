import { EventEmitter, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ProcessHost, runFleetd } from "../../../packages/fleetd/src/start-up.ts";

let directory: string;
let config: string;
let signals: EventEmitter;
let environment: Record<string, string | undefined>;
let log: string;
let printed: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetd-start-"));
  config = join(directory, "fleet.conf");
  signals = new EventEmitter();
  log = "";
  printed = "";
  environment = {
    FLEET_ETCD_SERVERS: `http://127.0.0.1:${await unusedPort()}`,
    FLEET_LISTEN: `unix://${directory}/fleet.sock`,
    FLEET_UNITS_DIRECTORY: join(directory, "units"),
    DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${directory}/no-bus`,
  };
  await writeFile(config, "verbosity=0\n");
});
afterEach(() => rm(directory, { recursive: true }));

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** fleetd in a process that this test stands in for; nothing answers for etcd and systemd. */
function fleetd(overrides: Partial<ProcessHost> = {}): Promise<number> {
  return runFleetd(config, {
    pid: process.pid,
    environment,
    signals,
    journal: true,
    writeError: (text) => {
      log += text;
    },
    print: (text) => {
      printed += text;
    },
    exit: () => {},
    ...overrides,
  });
}

function get(path: string): Promise<{ status: number | undefined; server: string; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { socketPath: join(directory, "fleet.sock"), path, agent: false },
      async (response) => {
        let body = "";
        for await (const chunk of response.setEncoding("utf8")) body += chunk;
        resolve({ status: response.statusCode, server: String(response.headers.server), body });
      },
    );
    request.once("error", reject);
    request.end();
  });
}

describe("runFleetd, with neither etcd nor systemd", () => {
  test("answers 503 from the beginning, and ends with 0 when it is told to", async () => {
    const ended = fleetd();
    await vi.waitFor(() => expect(signals.listenerCount("SIGTERM")).toBe(1));
    await vi.waitFor(async () => {
      const { status, server, body } = await get("/fleet/v1/units");
      expect(server).toMatch(/^fleetd\//);
      expect(status).toBe(503);
      expect(JSON.parse(body)).toEqual({
        error: { code: 503, message: "fleet server unable to communicate with etcd" },
      });
    });
    signals.emit("SIGTERM");
    expect(await ended).toBe(0);
    await expect(get("/fleet/v1/units")).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("logs details from one SIGUSR2 to the next, or to a reload with another verbosity", async () => {
    const ended = fleetd();
    await vi.waitFor(() => expect(signals.listenerCount("SIGTERM")).toBe(1));
    const refused = async (): Promise<number> => {
      // Each is logged as a detail.
      await get("/fleet/v1/units");
      return log.split("<7>api_request_refused").length - 1;
    };
    expect(await refused()).toBe(0);
    signals.emit("SIGUSR2");
    expect(log).toContain("<6>log_level_switched level=debug");
    expect(await refused()).toBe(1);
    signals.emit("SIGHUP");
    await vi.waitFor(() => expect(log).toContain("<6>config_reloaded"));
    expect(await refused()).toBe(2);
    signals.emit("SIGUSR2");
    expect(log).toContain("<6>log_level_switched level=info");
    expect(await refused()).toBe(2);
    await writeFile(config, "verbosity=1\n");
    signals.emit("SIGHUP");
    await vi.waitFor(() => expect(log.split("<6>config_reloaded")).toHaveLength(3));
    expect(await refused()).toBe(3);
    signals.emit("SIGINT");
    expect(await ended).toBe(0);
  });

  test("dumps its state, reloads, and keeps the present configuration when the new one is bad", async () => {
    const ended = fleetd();
    await vi.waitFor(() => expect(signals.listenerCount("SIGTERM")).toBe(1));
    signals.emit("SIGUSR1");
    await vi.waitFor(() =>
      expect(JSON.parse(printed)).toMatchObject({
        cluster: { frozen: { code: "cluster_unverified" } },
        engine: { pending: [] },
        agent: { journal: [] },
      }),
    );
    await writeFile(config, "agent_ttl=soon\n");
    signals.emit("SIGHUP");
    await vi.waitFor(() => expect(log).toContain("<3>reload_failed code=config_invalid"));
    expect((await get("/fleet/v1/units")).status).toBe(503);
    await writeFile(config, "verbosity=1\n");
    signals.emit("SIGHUP");
    await vi.waitFor(() => expect(log).toContain("<6>config_reloaded"));
    signals.emit("SIGINT");
    expect(await ended).toBe(0);
  });

  test("a second one for the same units directory does not start, and the first goes on", async () => {
    const ended = fleetd();
    await vi.waitFor(() => expect(signals.listenerCount("SIGTERM")).toBe(1));
    await expect(fleetd({ signals: new EventEmitter() })).rejects.toMatchObject({ code: "already_running" });
    expect((await get("/fleet/v1/units")).status).toBe(503);
    signals.emit("SIGTERM");
    expect(await ended).toBe(0);
  });

  test("a bad value keeps it from starting, and nothing is left behind", async () => {
    environment.FLEET_AGENT_TTL = "1s";
    await expect(fleetd()).rejects.toMatchObject({ code: "config_invalid" });
    await expect(get("/fleet/v1/units")).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a user's systemd that cannot be found is said", async () => {
    environment.FLEET_SYSTEMD_USER = "true";
    await expect(fleetd()).rejects.toThrow("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set");
  });

  test("a second SIGTERM ends it at once", async () => {
    const codes: number[] = [];
    const ended = fleetd({ exit: (code) => codes.push(code) });
    await vi.waitFor(() => expect(signals.listenerCount("SIGTERM")).toBe(1));
    signals.emit("SIGTERM");
    signals.emit("SIGTERM");
    expect(codes).toEqual([1]);
    await ended;
  });
});
