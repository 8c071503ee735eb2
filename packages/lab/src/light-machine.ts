import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FleetError } from "@fleet/runtime";
import { type HostAbilities, hostAbilities } from "./host.ts";
import type { LabDirectory } from "./lab-directory.ts";
import { type Machine, MachineProgram, type ProgramOptions, type RunOptions } from "./machine.ts";
import { type CommandResult, LabProcess, onlyChild, runCommand, sendSignal } from "./process.ts";

const INIT = fileURLToPath(new URL("../shell/machine.sh", import.meta.url));
const BOOT_TIMEOUT_MS = 30_000;

export interface LightMachineOptions {
  /** The lab that owns the machine; its removal ends the machine. */
  readonly directory: LabDirectory;
  /** Host name, unique in the lab; up to 12 of a-z, 0-9 and "-". */
  readonly name: string;
  /** 32 hexadecimal digits; random when left out. */
  readonly machineId?: string;
}

/**
 * A machine of its own kind: a real `systemd --user` with its own message bus, /run, machine id, host name and
 * process ids, on the host's files and network. It starts in about a second.
 *
 * Invariants:
 * - Everything it runs descends from the first process of its PID namespace: killing that one kills all.
 * - Its directory has the same path inside and outside, so that sockets and unit files below it can be used
 *   from the host.
 * - A boot finds no runtime directory of the previous one, as a tmpfs would have it.
 */
export class LightMachine implements Machine {
  readonly kind = "light";
  readonly name: string;
  readonly machineId: string;
  readonly path: string;
  readonly busSocket: string;
  /** XDG_RUNTIME_DIR of the machine. */
  readonly runtimeDirectory: string;
  /** A directory in which its systemd looks for units. */
  readonly unitsDirectory: string;
  readonly logFile: string;
  #directory: LabDirectory;
  #abilities: HostAbilities;
  #outer: LabProcess | undefined;
  #initPid = 0;

  private constructor(options: LightMachineOptions, abilities: HostAbilities) {
    this.name = options.name;
    this.machineId = options.machineId ?? randomBytes(16).toString("hex");
    this.path = options.directory.subdirectory(options.name);
    this.runtimeDirectory = join(this.path, "run");
    this.busSocket = join(this.runtimeDirectory, "bus");
    this.unitsDirectory = join(this.runtimeDirectory, "systemd", "user");
    this.logFile = join(this.path, "machine.log");
    this.#directory = options.directory;
    this.#abilities = abilities;
  }

  /** Creates a machine and boots it. Fails with `lab_host` where no machine can run, `lab_boot` when this one does not. */
  static async start(options: LightMachineOptions): Promise<LightMachine> {
    const machine = new LightMachine(options, await hostAbilities());
    await machine.boot();
    return machine;
  }

  get running(): boolean {
    return this.#outer?.running === true;
  }

  get environment(): NodeJS.ProcessEnv {
    const home = join(this.path, "home");
    return {
      // The node that runs the lab runs the programs in it too.
      PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      LANG: "C.UTF-8",
      HOME: home,
      XDG_RUNTIME_DIR: this.runtimeDirectory,
      XDG_CONFIG_HOME: join(home, "config"),
      XDG_DATA_HOME: join(home, "data"),
      XDG_STATE_HOME: join(home, "state"),
      XDG_CACHE_HOME: join(home, "cache"),
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${this.busSocket}`,
    };
  }

  async boot(): Promise<void> {
    if (this.running) throw new FleetError("lab_boot", `${this.name} is up`);
    rmSync(this.runtimeDirectory, { recursive: true, force: true });
    this.#directory.subdirectory(join(this.name, "run", "systemd", "user"));
    this.#directory.subdirectory(join(this.name, "home"));
    writeFileSync(join(this.path, "machine-id"), `${this.machineId}\n`);
    const namespaces = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"];
    this.#outer = await LabProcess.start({
      command: [
        ...this.#abilities.prefix,
        // Set here and not by spawn: an ordinary user's systemd-run in front needs the user's own environment.
        ...["env", "-i", ...Object.entries(this.environment).map(([name, value]) => `${name}=${value}`)],
        ...["unshare", ...this.#abilities.unshare, ...namespaces, "--"],
        ...["sh", INIT, this.path, this.name, this.#directory.controlGroup],
      ],
      env: process.env,
      logFile: this.logFile,
      processesFile: this.#directory.processesFile,
    });
    this.#initPid = await onlyChild(this.#outer);
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

  /** `systemctl --user` on the machine. */
  systemctl(...args: readonly string[]): Promise<CommandResult> {
    return this.run(["systemctl", "--user", "--no-pager", ...args]);
  }

  async kill(): Promise<void> {
    const outer = this.#outer;
    if (outer === undefined || !outer.running) return;
    sendSignal(this.#initPid, "SIGKILL");
    await outer.ended;
  }

  async reboot(): Promise<void> {
    await this.kill();
    await this.boot();
  }

  entry(command: readonly string[]): readonly string[] {
    if (!this.running) throw new FleetError("lab_machine_down", `${this.name} is down`);
    const namespaces = ["--mount", "--uts", "--ipc", "--pid"];
    return [
      ...["nsenter", "--target", String(this.#initPid), ...this.#abilities.nsenter, ...namespaces],
      // nsenter forks into the PID namespace: the command has to be told of nsenter's death itself.
      ...["--", "setpriv", "--pdeathsig", "KILL", "--", ...command],
    ];
  }

  async #untilBooted(outer: LabProcess): Promise<void> {
    const deadline = performance.now() + BOOT_TIMEOUT_MS;
    let state = "no manager yet";
    while (outer.running && performance.now() < deadline) {
      if (existsSync(join(this.runtimeDirectory, "systemd", "private"))) {
        const result = await this.systemctl("is-system-running");
        state = `${result.stdout}${result.stderr}`.trim();
        // "degraded" is up as well: some unit of the distribution failed, which is none of ours.
        if (state === "running" || state === "degraded") return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.kill();
    const log = readFileSync(this.logFile, "utf8").trim();
    throw new FleetError("lab_boot", `${this.name} did not come up (${state}):\n${log}`);
  }
}

/** See LightMachine.start. */
export function startLightMachine(options: LightMachineOptions): Promise<LightMachine> {
  return LightMachine.start(options);
}
