import { EventEmitter, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { vi } from "vitest";
import { runFleetd } from "../../../packages/fleetd/src/start-up.ts";

/** What `GET /metrics` of a fleetd answers that has just been started, with neither etcd nor systemd about. */
export async function metricsOfLoneDaemon(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "fleetd-metrics-"));
  const socketPath = join(directory, "fleet.sock");
  const config = join(directory, "fleet.conf");
  const signals = new EventEmitter();
  try {
    await writeFile(config, "");
    const ended = runFleetd(config, {
      pid: process.pid,
      environment: {
        // Nobody listens on this port: it is reserved.
        FLEET_ETCD_SERVERS: "http://127.0.0.1:1",
        FLEET_LISTEN: `unix://${socketPath}`,
        FLEET_UNITS_DIRECTORY: join(directory, "units"),
        DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${directory}/no-bus`,
      },
      signals,
      journal: true,
      writeError: () => {},
      print: () => {},
      exit: () => {},
    });
    await vi.waitFor(() => {
      if (signals.listenerCount("SIGTERM") === 0) throw new Error("not started yet");
    });
    const [response] = await once(get({ socketPath, path: "/metrics", agent: false }), "response");
    const page = await text(response);
    signals.emit("SIGTERM");
    await ended;
    return page;
  } finally {
    await rm(directory, { recursive: true });
  }
}
