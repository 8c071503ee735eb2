import { type CommandResult, type LabProcess, sendSignal } from "./process.ts";

/** A machine of a lab with a systemd of its own, of whatever kind. */
export interface Machine {
  /** `light`: `systemd --user` on the host's files and network. `full`: systemd as PID 1 on its own network. */
  readonly kind: "light" | "full";
  /** Name in the lab, and host name. */
  readonly name: string;
  readonly machineId: string;
  /** Directory of what belongs to the machine; the same on the host and inside. */
  readonly path: string;
  /** Where its units have their runtime directory (`%t`), as the machine sees it. Empty after each boot. */
  readonly runtimeDirectory: string;
  /** The directory of fleet's unit files, as the host reaches it. Empty after each boot. */
  readonly unitsDirectory: string;
  /** Message bus of the systemd that fleetd drives, as the host reaches it. */
  readonly busSocket: string;
  readonly logFile: string;
  readonly running: boolean;
  /** Environment of what the host runs on the machine. */
  readonly environment: NodeJS.ProcessEnv;

  /** Boots a machine that is down. Resolves when its systemd has started up; fails with `lab_boot`. */
  boot(): Promise<void>;
  /** A power cut: everything on the machine is gone at once. Resolves when it is. */
  kill(): Promise<void>;
  /** A power cut, and power again. */
  reboot(): Promise<void>;
  /**
   * Runs a command on the machine. A non-zero exit code is a value; `lab_timeout` after `timeoutMs` (60 s).
   *
   * One that runs while the machine shuts down in order delays that by many seconds: systemd freezes it before it
   * kills it, whereupon nsenter stops too and never reaps it. Look from outside then.
   */
  run(command: readonly string[], options?: RunOptions): Promise<CommandResult>;
  /** Starts a long-running program on the machine. */
  startProgram(options: ProgramOptions): Promise<MachineProgram>;
  /** systemctl on the machine, for the systemd that fleetd drives. */
  systemctl(...args: readonly string[]): Promise<CommandResult>;
  /** The command line that runs a command on the machine, from the host. Fails with `lab_machine_down`. */
  entry(command: readonly string[]): readonly string[];
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface ProgramOptions {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Its output is appended here. */
  readonly logFile: string;
}

/** A program that the host runs on a machine. */
export class MachineProgram {
  /** The process id as the host sees it. */
  readonly pid: number;
  readonly ended: LabProcess["ended"];
  #entry: LabProcess;

  constructor(entry: LabProcess, pid: number) {
    this.#entry = entry;
    this.pid = pid;
    this.ended = entry.ended;
  }

  get running(): boolean {
    return this.#entry.running;
  }

  /** Sends a signal; a program that has ended already is left alone. */
  signal(name: NodeJS.Signals): void {
    if (!this.running) return;
    sendSignal(this.pid, name);
    // nsenter stops with its child, and would neither go on with it nor notice its end.
    if (name !== "SIGSTOP") this.#entry.signal("SIGCONT");
  }
}
