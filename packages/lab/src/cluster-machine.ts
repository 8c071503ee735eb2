import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { FleetError } from "@fleet/runtime";
import { type ApiRequest, type ApiResponse, apiRequest } from "./api-request.ts";
import type { LightMachine, MachineProgram } from "./light-machine.ts";
import type { CommandResult } from "./process.ts";
import type { ProxyMode, TcpProxy } from "./tcp-proxy.ts";
import { waitFor } from "./wait-for.ts";

const LISTEN_TIMEOUT_MS = 30_000;
/** fleetd unloads its units on SIGTERM, and their ExecStop may take its time. */
const STOP_TIMEOUT_MS = 120_000;

export interface FleetdSettings {
  /** The program. */
  readonly program: string;
  /** FLEET_… variables beyond those that every machine gets. */
  readonly env: NodeJS.ProcessEnv;
}

/** A light machine of a cluster, the fleetd on it, and its cable to etcd. */
export class ClusterMachine {
  readonly name: string;
  readonly id: string;
  readonly publicIp: string;
  /** Path of the API's unix socket, on the host as on the machine. */
  readonly socketPath: string;
  readonly fleetdLog: string;
  readonly machine: LightMachine;
  #settings: FleetdSettings;
  #cables: readonly TcpProxy[];
  #fleetd: MachineProgram | undefined;

  constructor(
    machine: LightMachine,
    publicIp: string,
    cables: readonly TcpProxy[],
    settings: FleetdSettings,
  ) {
    this.name = machine.name;
    this.id = machine.machineId;
    this.publicIp = publicIp;
    this.socketPath = join(machine.path, "fleet.sock");
    this.fleetdLog = join(machine.path, "fleetd.log");
    this.machine = machine;
    this.#cables = cables;
    this.#settings = settings;
  }

  /** Value for FLEETCTL_ENDPOINT. */
  get endpoint(): string {
    return `unix://${this.socketPath}`;
  }

  /** The id as tables show it. */
  get shortId(): string {
    return this.id.slice(0, 8);
  }

  get fleetdPid(): number | undefined {
    return this.#fleetd?.running === true ? this.#fleetd.pid : undefined;
  }

  /** How the machine's packets to etcd fare. */
  get cable(): ProxyMode {
    return this.#cables[0]?.mode ?? "pass";
  }

  /** The environment fleetd is started with. */
  get fleetdEnvironment(): NodeJS.ProcessEnv {
    return {
      FLEET_ETCD_SERVERS: this.#cables.map((cable) => `http://127.0.0.1:${cable.port}`).join(","),
      FLEET_LISTEN: this.endpoint,
      FLEET_PUBLIC_IP: this.publicIp,
      FLEET_SYSTEMD_USER: "true",
      FLEET_UNITS_DIRECTORY: this.machine.unitsDirectory,
      FLEET_VERBOSITY: "1",
      ...this.#settings.env,
    };
  }

  /**
   * Starts fleetd and, unless `wait` is false, waits until its API answers, if only with 503. Fails with
   * `lab_fleetd` when it ends instead. `env` holds for this start alone.
   */
  async startFleetd(
    options: { readonly wait?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<void> {
    if (this.fleetdPid !== undefined) throw new FleetError("lab_fleetd", `fleetd runs on ${this.name}`);
    const fleetd = await this.machine.startProgram({
      command: [this.#settings.program],
      env: { ...this.fleetdEnvironment, ...options.env },
      logFile: this.fleetdLog,
    });
    this.#fleetd = fleetd;
    if (options.wait === false) return;
    const ended = fleetd.ended.then(({ code, signal }) => {
      throw new FleetError(
        "lab_fleetd",
        `fleetd on ${this.name} ended (${signal ?? `exit code ${code}`}):\n${this.logTail()}`,
      );
    });
    // The race below may be over long before fleetd ends.
    ended.catch(() => undefined);
    const decided = new AbortController();
    const listening = waitFor({
      what: `the API of ${this.name}`,
      probe: () => this.request({ path: "/fleet/v1/machines" }),
      until: () => true,
      timeoutMs: LISTEN_TIMEOUT_MS,
      context: () => this.logTail(),
      signal: decided.signal,
    });
    listening.catch(() => undefined);
    try {
      await Promise.race([listening, ended]);
    } finally {
      decided.abort();
    }
  }

  /** SIGTERM: fleetd unloads its units and leaves. Resolves with its exit code when it is gone. */
  async stopFleetd(): Promise<number> {
    const fleetd = this.#fleetd;
    if (fleetd === undefined) return 0;
    fleetd.signal("SIGTERM");
    const timer = setTimeout(() => fleetd.signal("SIGKILL"), STOP_TIMEOUT_MS);
    const { code } = await fleetd.ended;
    clearTimeout(timer);
    if (code === null) throw new FleetError("lab_fleetd", `fleetd on ${this.name} did not end by itself`);
    return code;
  }

  /** SIGKILL: fleetd is gone, its units stay. */
  async killFleetd(): Promise<void> {
    this.signalFleetd("SIGKILL");
    await this.#fleetd?.ended;
  }

  /** SIGHUP, SIGUSR1, SIGSTOP, SIGCONT and the like. */
  signalFleetd(name: NodeJS.Signals): void {
    this.#fleetd?.signal(name);
  }

  /** Power cut: fleetd, systemd and all units are gone at once. */
  async kill(): Promise<void> {
    await this.machine.kill();
    await this.#fleetd?.ended;
  }

  /** Power cut and power again; fleetd starts as at a boot, unless `fleetd` is false. */
  async reboot(options: { readonly fleetd?: boolean } = {}): Promise<void> {
    await this.kill();
    await this.machine.boot();
    if (options.fleetd !== false) await this.startFleetd();
  }

  /** Pulls the cable to etcd: packets are lost, or connections refused. */
  cutOffFromEtcd(mode: "drop" | "refuse" = "drop"): void {
    for (const cable of this.#cables) cable.mode = mode;
  }

  /** Plugs it in again. */
  heal(): void {
    for (const cable of this.#cables) cable.mode = "pass";
  }

  /** `systemctl --user` on the machine. */
  systemctl(...args: readonly string[]): Promise<CommandResult> {
    return this.machine.systemctl(...args);
  }

  /** Runs a command on the machine. */
  run(
    command: readonly string[],
    options: { readonly timeoutMs?: number; readonly input?: string } = {},
  ): Promise<CommandResult> {
    return this.machine.run(command, options);
  }

  /** A request to this machine's API. */
  request(options: ApiRequest): Promise<ApiResponse> {
    return apiRequest(this.socketPath, options);
  }

  /** The last lines of fleetd's log. */
  logTail(lines = 15): string {
    return `--- ${this.fleetdLog}\n${tailOf(this.fleetdLog, lines)}`;
  }

  /** Ends the machine and its cables for good. */
  async destroy(): Promise<void> {
    await this.kill();
    await Promise.all(this.#cables.map((cable) => cable.close()));
  }
}

/** The last lines of a file, read from its last 16 KiB. */
function tailOf(path: string, lines: number): string {
  if (!existsSync(path)) return "";
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, 16_384));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } finally {
    closeSync(file);
  }
}
