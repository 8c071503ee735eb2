import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { appendFileSync, closeSync, openSync, readFileSync } from "node:fs";
import { errorCode, FleetError } from "@fleet/runtime";

/** What a command printed and how it ended. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + signal number when a signal ended it, as a shell reports it. */
  readonly exitCode: number;
  /** From spawn to exit, in milliseconds. */
  readonly ms: number;
}

/** Where a long-running process leaves its traces. */
export interface StartOptions {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Standard output and error are appended here. */
  readonly logFile: string;
  /** `pid start-time` lines: what a sweep after a crash has to end. */
  readonly processesFile: string;
}

/**
 * A process that the lab started and has to end.
 *
 * Invariant: the kernel kills it when the lab dies (PDEATHSIG), so a crashed lab leaves no process behind.
 */
export class LabProcess {
  readonly pid: number;
  readonly logFile: string;
  /** Resolves, with exit code and signal, when the process has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  #child: ChildProcess;

  private constructor(child: ChildProcess, pid: number, logFile: string) {
    this.#child = child;
    this.pid = pid;
    this.logFile = logFile;
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  /** Starts a process. Fails with `lab_spawn` when the program cannot be executed. */
  static async start(options: StartOptions): Promise<LabProcess> {
    const log = openSync(options.logFile, "a");
    try {
      const child = spawnBound(options.command, {
        env: options.env,
        stdio: ["ignore", log, log],
        // A session of its own: Ctrl-C in the lab's terminal is for the lab, which ends things in order.
        detached: true,
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (cause) =>
          reject(
            new FleetError("lab_spawn", `cannot run ${options.command[0]}: ${cause.message}`, { cause }),
          ),
        );
      });
      if (child.pid === undefined) throw new FleetError("lab_spawn", `${options.command[0]} has no pid`);
      const process = new LabProcess(child, child.pid, options.logFile);
      recordProcess(options.processesFile, child.pid);
      return process;
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends a signal; a process that has ended already is left alone. */
  signal(name: NodeJS.Signals): void {
    if (this.running) sendSignal(this.pid, name);
  }

  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    try {
      await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL. Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }
}

/**
 * Runs a command to its end.
 *
 * A time limit (`timeoutMs`) kills it and fails with `lab_timeout`; a non-zero exit code is a value.
 */
export function runCommand(
  command: readonly string[],
  options: {
    readonly env: NodeJS.ProcessEnv;
    readonly timeoutMs?: number;
    readonly input?: string;
    readonly cwd?: string;
  },
): Promise<CommandResult> {
  const startedAt = performance.now();
  const timeoutMs = options.timeoutMs ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = spawnBound(command, {
      env: options.env,
      cwd: options.cwd,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    // A command that does not read its input must not take the lab down with EPIPE.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input ?? "");
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      // Rejects at once: a process that it left behind may hold its output open for ever.
      reject(
        new FleetError("lab_timeout", `${command.join(" ")} did not end within ${timeoutMs} ms\n${stderr}`),
      );
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, timeoutMs);
    child.once("error", (cause) => {
      clearTimeout(timer);
      reject(new FleetError("lab_spawn", `cannot run ${command[0]}: ${cause.message}`, { cause }));
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const ms = performance.now() - startedAt;
      resolve({ stdout, stderr, exitCode: code ?? 128 + signalNumber(signal), ms });
    });
  });
}

/** Sends a signal to any process; one that is gone already is no error. */
export function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

/** The only child of a process, which may be about to be forked: waits up to 5 s. */
export async function onlyChild(parent: LabProcess): Promise<number> {
  const deadline = performance.now() + 5_000;
  while (parent.running && performance.now() < deadline) {
    const [child] = childrenOf(parent.pid);
    if (child !== undefined) return child;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new FleetError("lab_spawn", `process ${parent.pid} started no child; see ${parent.logFile}`);
}

/**
 * Start time in clock ticks since boot, which tells a process from a later one with the same pid. Undefined when
 * it does not run.
 */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in brackets and may hold blanks and brackets itself.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; some init systems of containers take their time to reap it.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Notes a process in the list that a sweep ends. */
function recordProcess(processesFile: string, pid: number): void {
  const startTime = processStartTime(pid);
  if (startTime !== undefined) appendFileSync(processesFile, `${pid} ${startTime}\n`);
}

/** Children of a process, whatever they are. */
export function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return [];
  }
}

/** Spawns a command that the kernel kills when this process dies. */
function spawnBound(command: readonly string[], options: SpawnOptions): ChildProcess {
  // setpriv sets PR_SET_PDEATHSIG and becomes the command: same pid, no process in between.
  return spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], options);
}

function signalNumber(signal: NodeJS.Signals | null): number {
  const numbers: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
  return (signal === null ? undefined : numbers[signal]) ?? 0;
}
