import { FleetError } from "@fleet/runtime";
import type { Fleetd } from "./fleetd.ts";
import type { FullMachine } from "./full-machine.ts";
import { type CommandResult, sendSignal } from "./process.ts";
import { waitFor } from "./wait-for.ts";

const CONFIG = "/etc/fleet/fleet.conf";
/** Of the fleet.service that stays down after a SIGKILL. Lost at a reboot, as everything below /run. */
const STAYS_DOWN = "/run/systemd/system/fleet.service.d/stays-down.conf";
/** fleet.service itself gives fleetd ten minutes to unload its units. */
const STOP_TIMEOUT_MS = 120_000;

/**
 * fleetd as its package installs it, on a full machine: `fleet.service` and `fleet.socket` of the system, with
 * `/etc/fleet/fleet.conf`.
 */
export class FleetdService implements Fleetd {
  readonly logFile: string;
  #machine: FullMachine;

  /** The machine writes the log: see FullMachine. */
  constructor(machine: FullMachine) {
    this.#machine = machine;
    this.logFile = machine.fleetdLog;
  }

  get pid(): number | undefined {
    return this.#machine.mainPid("fleet.service");
  }

  async start(env: NodeJS.ProcessEnv): Promise<void> {
    await this.#run(["sh", "-c", `mkdir -p /etc/fleet && cat >${CONFIG}`], configText(env));
    await this.#run(["rm", "-f", STAYS_DOWN]);
    await this.#systemctl("daemon-reload");
    await this.#systemctl("start", "fleet.socket", "fleet.service");
  }

  async stop(): Promise<number> {
    if (!this.#machine.running) return 0;
    // The socket too: the next caller would start fleetd again.
    const stopped = await this.#machine.run(["systemctl", "stop", "fleet.socket", "fleet.service"], {
      timeoutMs: STOP_TIMEOUT_MS,
    });
    const end = await this.lastEnd();
    const [, code] = /^exit code (\d+)$/.exec(end) ?? [];
    if (stopped.exitCode !== 0 || code === undefined) {
      throw new FleetError(
        "lab_fleetd",
        `fleetd on ${this.#machine.name} did not end by itself: ${end} ${stopped.stderr}`,
      );
    }
    return Number(code);
  }

  async kill(): Promise<void> {
    if (!this.#machine.running) return;
    // Neither systemd (Restart=always) nor a caller at the socket may bring it back: whoever calls this wants a
    // machine without fleetd. A drop-in rather than a mask: systemctl start then works as ever.
    await this.#run(
      ["sh", "-c", `mkdir -p ${STAYS_DOWN.replace(/\/[^/]*$/, "")} && cat >${STAYS_DOWN}`],
      "[Service]\nRestart=no\n",
    );
    await this.#systemctl("daemon-reload");
    await this.#systemctl("stop", "fleet.socket");
    this.signal("SIGKILL");
    await waitFor({
      what: `fleetd on ${this.#machine.name} to be gone`,
      probe: async () => (await this.#machine.systemctl("is-active", "fleet.service")).stdout.trim(),
      until: (state) => state === "failed" || state === "inactive",
      timeoutMs: 10_000,
    });
  }

  signal(name: NodeJS.Signals): void {
    const { pid } = this;
    if (pid !== undefined) sendSignal(pid, name);
  }

  async lastEnd(): Promise<string> {
    if (!this.#machine.running) return "the machine is down";
    const { stdout } = await this.#machine.systemctl(
      ...["show", "-p", "ExecMainCode", "-p", "ExecMainStatus", "fleet.service"],
    );
    const [, status] = /^ExecMainStatus=(\d+)$/m.exec(stdout) ?? [];
    // Codes of waitid(2): 0 nothing has ended yet, 1 exited, else a signal.
    const [, code] = /^ExecMainCode=(\d+)$/m.exec(stdout) ?? [];
    if (code === "0") return "exit code 0";
    return code === "1" ? `exit code ${status}` : `signal ${status}`;
  }

  async #systemctl(...args: readonly string[]): Promise<void> {
    await this.#run(["systemctl", ...args]);
  }

  async #run(command: readonly string[], input?: string): Promise<void> {
    const result = await this.#machine.run(command, input === undefined ? {} : { input });
    this.#requireSuccess(command, result);
  }

  #requireSuccess(command: readonly string[], { exitCode, stderr }: CommandResult): void {
    if (exitCode === 0) return;
    throw new FleetError("lab_fleetd", `${command.join(" ")} on ${this.#machine.name}: ${stderr.trim()}`);
  }
}

/** FLEET_… variables as the lines of fleet.conf that say the same. */
function configText(env: NodeJS.ProcessEnv): string {
  const lines = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith("FLEET_") && value !== undefined
      ? [`${name.slice("FLEET_".length).toLowerCase()}=${JSON.stringify(value)}\n`]
      : [],
  );
  return lines.join("");
}
