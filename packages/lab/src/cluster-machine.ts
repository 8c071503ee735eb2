import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { FleetError } from "@fleet/runtime";
import { type ApiRequest, type ApiResponse, apiRequest } from "./api-request.ts";
import type { Fleetd } from "./fleetd.ts";
import { FullMachine } from "./full-machine.ts";
import type { Machine } from "./machine.ts";
import type { CommandResult } from "./process.ts";
import type { ProxyMode, TcpProxy } from "./tcp-proxy.ts";
import { waitFor } from "./wait-for.ts";

const LISTEN_TIMEOUT_MS = 30_000;

/** What a machine of a cluster consists of. */
export interface ClusterMachineParts {
  readonly machine: Machine;
  readonly fleetd: Fleetd;
  readonly publicIp: string;
  /** Path of the API's unix socket on the host. */
  readonly socketPath: string;
  /** Its way to etcd, for each member. */
  readonly cables: readonly TcpProxy[];
  /** FLEET_… variables beyond those that every machine gets. */
  readonly env: NodeJS.ProcessEnv;
  /** Where its API is on TCP; undefined: nowhere. */
  readonly url?: string | undefined;
}

/** A machine of a cluster, the fleetd on it, and its cable to etcd. */
export class ClusterMachine {
  readonly name: string;
  readonly id: string;
  readonly publicIp: string;
  /** Path of the API's unix socket, on the host as on the machine. */
  readonly socketPath: string;
  /** Where its API is on TCP, without a slash at the end; undefined: nowhere. */
  readonly url: string | undefined;
  readonly fleetdLog: string;
  readonly machine: Machine;
  #env: NodeJS.ProcessEnv;
  #cables: readonly TcpProxy[];
  #fleetd: Fleetd;

  constructor(parts: ClusterMachineParts) {
    this.name = parts.machine.name;
    this.id = parts.machine.machineId;
    this.publicIp = parts.publicIp;
    this.socketPath = parts.socketPath;
    this.url = parts.url;
    this.fleetdLog = parts.fleetd.logFile;
    this.machine = parts.machine;
    this.#cables = parts.cables;
    this.#fleetd = parts.fleetd;
    this.#env = parts.env;
  }

  /** What only a full machine has: address, ssh, network cable. Fails with `lab_machine_kind` on a light one. */
  get full(): FullMachine {
    if (this.machine instanceof FullMachine) return this.machine;
    throw new FleetError("lab_machine_kind", `${this.name} is a light machine`);
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
    return this.#fleetd.pid;
  }

  /** How the machine's packets to etcd fare. */
  get cable(): ProxyMode {
    return this.#cables[0]?.mode ?? "pass";
  }

  /** What fleetd is configured with. */
  get fleetdEnvironment(): NodeJS.ProcessEnv {
    return {
      FLEET_ETCD_SERVERS: this.#cables.map((cable) => cable.url).join(","),
      FLEET_PUBLIC_IP: this.publicIp,
      FLEET_VERBOSITY: "1",
      ...this.#env,
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
    await this.#fleetd.start({ ...this.fleetdEnvironment, ...options.env });
    if (options.wait === false) return;
    const { value } = await waitFor({
      what: `the API of ${this.name}`,
      probe: async () => {
        // Whoever looks after it has ended would wait for an answer in vain.
        if (this.fleetdPid === undefined) return "ended";
        await this.request({ path: "/fleet/v1/machines" });
        return "answers";
      },
      until: () => true,
      timeoutMs: LISTEN_TIMEOUT_MS,
      context: () => this.logTail(),
    });
    if (value === "answers") return;
    throw new FleetError(
      "lab_fleetd",
      `fleetd on ${this.name} ended (${await this.#fleetd.lastEnd()}):\n${this.logTail()}`,
    );
  }

  /** SIGTERM: fleetd unloads its units and leaves. Resolves with its exit code when it is gone. */
  stopFleetd(): Promise<number> {
    return this.#fleetd.stop();
  }

  /** SIGKILL: fleetd is gone, its units stay. */
  killFleetd(): Promise<void> {
    return this.#fleetd.kill();
  }

  /** SIGHUP, SIGUSR1, SIGSTOP, SIGCONT and the like. */
  signalFleetd(name: NodeJS.Signals): void {
    this.#fleetd.signal(name);
  }

  /** Power cut: fleetd, systemd and all units are gone at once. */
  async kill(): Promise<void> {
    // Before the machine: a light one whose fleetd is frozen ends only when that has been woken and is gone.
    this.#fleetd.signal("SIGKILL");
    await this.machine.kill();
    await this.#fleetd.kill();
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

  /** systemctl on the machine, for the systemd that fleetd drives. */
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
