import { EventEmitter, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { vi } from "vitest";
import { runFleetd } from "../../../packages/fleetd/src/start-up.ts";

/** A fleetd in this process, with neither etcd nor systemd about. */
export class LoneDaemon {
  readonly #directory: string;
  readonly #signals = new EventEmitter();
  #log = "";
  #ended: Promise<number> | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(): Promise<LoneDaemon> {
    const daemon = new LoneDaemon(await mkdtemp(join(tmpdir(), "fleetd-metrics-")));
    await daemon.#start();
    return daemon;
  }

  /** What it answers to GET. */
  async get(path: string): Promise<string> {
    const request = get({ socketPath: this.#path("fleet.sock"), path, agent: false });
    const [response] = await once(request, "response");
    return await text(response);
  }

  async reload(): Promise<void> {
    this.#signals.emit("SIGHUP");
    await this.#untilLogged("config_reloaded");
  }

  async stop(): Promise<void> {
    this.#signals.emit("SIGTERM");
    await this.#ended;
    await rm(this.#directory, { recursive: true });
  }

  async #start(): Promise<void> {
    await writeFile(this.#path("fleet.conf"), "");
    this.#ended = runFleetd(this.#path("fleet.conf"), {
      pid: process.pid,
      environment: {
        // Nobody listens on this port: it is reserved.
        FLEET_ETCD_SERVERS: "http://127.0.0.1:1",
        FLEET_LISTEN: `unix://${this.#path("fleet.sock")}`,
        FLEET_UNITS_DIRECTORY: this.#path("units"),
        DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${this.#path("no-bus")}`,
      },
      signals: this.#signals,
      journal: true,
      writeError: (line) => {
        this.#log += line;
      },
      print: () => {},
      exit: () => {},
    });
    await this.#untilLogged("listening");
    await vi.waitFor(() => {
      if (this.#signals.listenerCount("SIGTERM") === 0) throw new Error(`no start:\n${this.#log}`);
    });
  }

  async #untilLogged(event: string): Promise<void> {
    await vi.waitFor(() => {
      if (!this.#log.includes(event)) throw new Error(`no ${event} in:\n${this.#log}`);
    }, 10_000);
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}
