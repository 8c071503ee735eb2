import { FleetError } from "@fleet/runtime";
import type { Fleetd } from "./fleetd.ts";
import type { Machine, MachineProgram } from "./machine.ts";

/** fleetd unloads its units on SIGTERM, and their ExecStop may take its time. */
const STOP_TIMEOUT_MS = 120_000;

/** A fleetd that the lab starts itself, as on a light machine. */
export class FleetdProgram implements Fleetd {
  readonly logFile: string;
  #machine: Machine;
  #path: string;
  #program: MachineProgram | undefined;

  /** `path`: of the program to run. */
  constructor(machine: Machine, path: string, logFile: string) {
    this.#machine = machine;
    this.#path = path;
    this.logFile = logFile;
  }

  get pid(): number | undefined {
    return this.#program?.running === true ? this.#program.pid : undefined;
  }

  async start(env: NodeJS.ProcessEnv): Promise<void> {
    this.#program = await this.#machine.startProgram({ command: [this.#path], env, logFile: this.logFile });
  }

  async stop(): Promise<number> {
    const program = this.#program;
    if (program === undefined) return 0;
    program.signal("SIGTERM");
    const timer = setTimeout(() => program.signal("SIGKILL"), STOP_TIMEOUT_MS);
    const { code } = await program.ended;
    clearTimeout(timer);
    if (code === null) {
      throw new FleetError("lab_fleetd", `fleetd on ${this.#machine.name} did not end by itself`);
    }
    return code;
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#program?.ended;
  }

  signal(name: NodeJS.Signals): void {
    this.#program?.signal(name);
  }

  async lastEnd(): Promise<string> {
    if (this.#program === undefined) return "never started";
    const { code, signal } = await this.#program.ended;
    return signal ?? `exit code ${code}`;
  }
}
