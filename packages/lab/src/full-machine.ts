import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FleetError } from "@fleet/runtime";
import {
  API_PORT,
  CHECKOUT_ON_MACHINE,
  HOST_KEY,
  SSHD_SERVICE,
  writeDisk,
  writeHostKey,
} from "./full-machine-disk.ts";
import { requireFullMachines } from "./host.ts";
import type { LabDirectory } from "./lab-directory.ts";
import type { LabNetwork, NetworkPlace } from "./lab-network.ts";
import type { LabSsh } from "./lab-ssh.ts";
import { type Machine, MachineProgram, type ProgramOptions, type RunOptions } from "./machine.ts";
import { type CommandResult, childrenOf, LabProcess, onlyChild, runCommand, sendSignal } from "./process.ts";

const HARDWARE = fileURLToPath(new URL("../shell/full-machine.sh", import.meta.url));
const BOOT_TIMEOUT_MS = 60_000;
const POWER_OFF_TIMEOUT_MS = 120_000;
const SSH_PORT = 22;

export interface FullMachineOptions {
  /** The lab that owns the machine; its removal ends the machine. */
  readonly directory: LabDirectory;
  readonly network: LabNetwork;
  readonly ssh: LabSsh;
  /** The checkout whose fleetd and fleetctl are installed on it. */
  readonly checkout: string;
  /** Host name, unique in the lab; up to 12 of a-z, 0-9 and "-". */
  readonly name: string;
  /** 32 hexadecimal digits; random when left out. */
  readonly machineId?: string;
}

/**
 * A machine as a data centre has them: systemd as PID 1, its own network, system bus, journal and sshd, booted by
 * systemd-nspawn from an overlay over the host's files. fleetd is installed and not started.
 *
 * Invariants:
 * - Everything it runs descends from the first process of a PID namespace around the container: killing that one
 *   kills all. The container alone would survive systemd-nspawn.
 * - Its disk lasts over power cuts; /run, the journal and the network's state do not.
 */
export class FullMachine implements Machine {
  readonly kind = "full";
  readonly name: string;
  readonly machineId: string;
  readonly path: string;
  readonly runtimeDirectory = "/run";
  readonly logFile: string;
  /** What fleet.service writes to the journal, also for the time after a power cut. */
  readonly fleetdLog: string;
  /** A unix socket of its API that the host can connect to. */
  readonly socketPath: string;
  readonly ssh: LabSsh;
  #directory: LabDirectory;
  #place: NetworkPlace;
  #checkout: string;
  #outer: LabProcess | undefined;
  #outerInit = 0;

  private constructor(options: FullMachineOptions) {
    this.name = options.name;
    this.machineId = options.machineId ?? randomBytes(16).toString("hex");
    this.path = options.directory.subdirectory(options.name);
    this.logFile = join(this.path, "machine.log");
    this.fleetdLog = join(this.path, "fleetd.log");
    this.socketPath = join(this.path, "fleet.sock");
    this.ssh = options.ssh;
    this.#directory = options.directory;
    this.#place = options.network.place();
    this.#checkout = options.checkout;
  }

  /** Creates a machine and boots it. Fails with `lab_host` where none can run, `lab_boot` when this one does not. */
  static async start(options: FullMachineOptions): Promise<FullMachine> {
    await requireFullMachines();
    const machine = new FullMachine(options);
    await writeDisk({
      upper: machine.#directory.subdirectory(join(machine.name, "disk", "upper")),
      name: machine.name,
      machineId: machine.machineId,
      place: machine.#place,
      authorizedKey: options.ssh.publicKey,
      checkout: options.checkout,
      socketPath: machine.socketPath,
      fleetdLog: machine.fleetdLog,
    });
    await machine.boot();
    return machine;
  }

  /** Its address on the lab's network, for ssh and for the API. */
  get address(): string {
    return this.#place.address;
  }

  /** The API over the network; the host's unix socket is `socketPath`. */
  get apiUrl(): string {
    return `http://${this.address}:${API_PORT}`;
  }

  get running(): boolean {
    return this.#outer?.running === true;
  }

  get unitsDirectory(): string {
    return `/proc/${this.#initPid()}/root/run/fleet/units`;
  }

  get busSocket(): string {
    return `/proc/${this.#initPid()}/root/run/dbus/system_bus_socket`;
  }

  get environment(): NodeJS.ProcessEnv {
    return {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      LANG: "C.UTF-8",
      HOME: "/root",
    };
  }

  async boot(): Promise<void> {
    if (this.running) throw new FleetError("lab_boot", `${this.name} is up`);
    // The host's end of the socket that the previous boot listened on.
    rmSync(this.socketPath, { force: true });
    const shared = this.#directory.path;
    this.#outer = await LabProcess.start({
      command: [
        ...["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"],
        ...["sh", HARDWARE, this.path, this.name, this.#directory.controlGroup, this.#place.port],
        ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no", "--console=pipe"],
        ...["--machine", this.#place.container, "--hostname", this.name],
        ...["--network-bridge", this.#place.bridge],
        // Not recursive: the mounted disk lies below it.
        `--bind=${shared}:${shared}:norbind`,
        `--bind-ro=${this.#checkout}:${CHECKOUT_ON_MACHINE}`,
        // The node that runs the lab runs the programs in it too.
        `--bind-ro=${process.execPath}:/usr/local/bin/node`,
        ...["--directory", join(this.path, "disk", "root"), "--boot", "systemd.unit=multi-user.target"],
      ],
      env: { ...process.env, SYSTEMD_LOG_LEVEL: "warning" },
      logFile: this.logFile,
      processesFile: this.#directory.processesFile,
    });
    this.#outerInit = await onlyChild(this.#outer);
    await this.#untilBooted(this.#outer);
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return runCommand(this.entry(command), { ...options, env: { ...this.environment, ...options.env } });
  }

  async startProgram(options: ProgramOptions): Promise<MachineProgram> {
    const entry = await LabProcess.start({
      command: this.entry(options.command),
      env: { ...this.environment, ...options.env },
      logFile: options.logFile,
      processesFile: this.#directory.processesFile,
    });
    return new MachineProgram(entry, await onlyChild(entry));
  }

  /** `systemctl` of the system. */
  systemctl(...args: readonly string[]): Promise<CommandResult> {
    return this.run(["systemctl", "--no-pager", ...args]);
  }

  async kill(): Promise<void> {
    const outer = this.#outer;
    if (outer === undefined || !outer.running) return;
    sendSignal(this.#outerInit, "SIGKILL");
    await outer.ended;
  }

  async reboot(): Promise<void> {
    await this.kill();
    await this.boot();
  }

  /**
   * Shuts it down in order, as `systemctl poweroff` does. Resolves when it is off; `boot()` starts it again. Fails
   * with `lab_timeout`, and leaves it as it is, when something there does not end for two minutes.
   */
  async powerOff(): Promise<void> {
    const outer = this.#outer;
    if (outer === undefined || !outer.running) return;
    await this.systemctl("--no-block", "poweroff");
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new FleetError(
        "lab_timeout",
        `${this.name} did not shut down in ${POWER_OFF_TIMEOUT_MS} ms`,
      );
      timer = setTimeout(() => reject(error), POWER_OFF_TIMEOUT_MS);
    });
    try {
      await Promise.race([outer.ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes its network cable out: nothing reaches it and it reaches nothing. Until plugIn() or the next boot. */
  unplug(): Promise<void> {
    return this.#place.unplug();
  }

  plugIn(): Promise<void> {
    return this.#place.plugIn();
  }

  /** Gives it another ssh host key, as a machine that was set up anew has. */
  async changeHostKey(): Promise<void> {
    const onHost = `/proc/${this.#initPid()}/root${HOST_KEY}`;
    rmSync(onHost);
    rmSync(`${onHost}.pub`);
    await writeHostKey(onHost, "host");
    await this.systemctl("restart", SSHD_SERVICE);
    await this.#untilSshAnswers();
  }

  /** Main process of a service as the host sees it. */
  mainPid(service: string): number | undefined {
    if (!this.running) return undefined;
    const group = `/system.slice/${service}`;
    return childrenOf(this.#initPid()).find((pid) =>
      readOrEmpty(`/proc/${pid}/cgroup`)
        .split("\n")
        .some((line) => line.endsWith(group)),
    );
  }

  entry(command: readonly string[]): readonly string[] {
    if (!this.running) throw new FleetError("lab_machine_down", `${this.name} is down`);
    return [
      ...["nsenter", "--target", String(this.#initPid()), "--all"],
      // nsenter forks into the PID namespace: the command has to be told of nsenter's death itself.
      ...["--", "setpriv", "--pdeathsig", "KILL", "--", ...command],
    ];
  }

  /** PID 1 of the container as the host sees it. Looked up each time: a reboot from within makes a new one. */
  #initPid(): number {
    for (const inNamespace of childrenOf(this.#outerInit)) {
      for (const pid of childrenOf(inNamespace)) {
        // Process ids in each namespace, from the host's to the container's.
        if (/^NSpid:\t\d+\t\d+\t1$/m.test(readOrEmpty(`/proc/${pid}/status`))) return pid;
      }
    }
    throw new FleetError("lab_machine_down", `${this.name} has no first process`);
  }

  async #untilBooted(outer: LabProcess): Promise<void> {
    const deadline = performance.now() + BOOT_TIMEOUT_MS;
    let state = "no systemd yet";
    while (outer.running && performance.now() < deadline) {
      state = await this.#systemState().catch(() => state);
      // "degraded" is up as well: some unit of the distribution failed, which is none of ours.
      if (state === "running" || state === "degraded") {
        await this.#untilSshAnswers();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.kill();
    const log = readFileSync(this.logFile, "utf8").trim();
    throw new FleetError("lab_boot", `${this.name} did not come up (${state}):\n${log}`);
  }

  async #systemState(): Promise<string> {
    // Before there is a manager to ask, entering could meet a container that is still being set up.
    if (!existsSync(`/proc/${this.#initPid()}/root/run/systemd/private`)) return "no systemd yet";
    const { stdout, stderr } = await this.systemctl("is-system-running");
    return `${stdout}${stderr}`.trim();
  }

  async #untilSshAnswers(): Promise<void> {
    const deadline = performance.now() + BOOT_TIMEOUT_MS;
    while (this.running && performance.now() < deadline) {
      if (await accepts(this.address, SSH_PORT)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new FleetError("lab_boot", `${this.name} does not answer at ${this.address}, port ${SSH_PORT}`);
  }
}

/** See FullMachine.start. */
export function startFullMachine(options: FullMachineOptions): Promise<FullMachine> {
  return FullMachine.start(options);
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: 1_000 });
    const end = (answered: boolean) => () => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", end(true));
    socket.once("error", end(false));
    socket.once("timeout", end(false));
  });
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
