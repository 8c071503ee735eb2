import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { Outcome } from "./command-line.ts";
import { installProgram } from "./installed-program.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";

const fakeSsh = fileURLToPath(new URL("../../fixtures/fake-ssh.mjs", import.meta.url));

/** One call of the fake ssh. */
export interface SshCall {
  readonly pid: number;
  readonly args: readonly string[];
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Instead of the scripted fleet's. */
  readonly endpoint?: string;
}

/**
 * fleetctl as a program, with a home directory and a PATH of its own: in there `ssh` is fake-ssh.mjs, `fleetctl` the
 * program itself, and systemctl, journalctl and sudo print how they were called and exit with FAKE_CODE.
 */
export class RemoteShell {
  fleet = new ScriptedFleet();
  endpoint = "";
  home = "";
  program = "";
  /** Directory of programs. */
  bin = "";
  #directory = "";
  readonly #running = new Set<ChildProcess>();

  async build(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), "fleetctl-remote-"));
    this.program = await installProgram(this.#directory);
  }

  async open(): Promise<void> {
    this.fleet = new ScriptedFleet();
    this.endpoint = await this.fleet.listen();
    const place = await mkdtemp(join(this.#directory, "test-"));
    this.home = join(place, "home");
    this.bin = join(place, "bin");
    await Promise.all([this.home, this.bin].map((path) => mkdir(path)));
    await this.script("ssh", `exec "${process.execPath}" "${fakeSsh}" "$@"`);
    await this.script("fleetctl", `exec "${process.execPath}" "${this.program}" "$@"`);
    await this.script("systemctl", 'echo "systemctl $*"; exit "$' + '{FAKE_CODE:-0}"');
    await this.script("journalctl", 'echo "journalctl $*"; exit "$' + '{FAKE_CODE:-0}"');
    await this.script("sudo", 'echo "sudo"; exec "$@"');
  }

  async close(): Promise<void> {
    for (const child of this.#running) child.kill("SIGKILL");
    await this.fleet.close();
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }

  async script(name: string, body: string): Promise<void> {
    const path = join(this.bin, name);
    await writeFile(path, `#!/bin/sh\n${body}\n`);
    await chmod(path, 0o755);
  }

  /** A file in the home directory; empty when there is none. */
  read(name: string): Promise<string> {
    return readFile(join(this.home, name), "utf8").catch(() => "");
  }

  /** Starts fleetctl; its output is for the caller to read. */
  spawn(args: readonly string[], { environment = {}, endpoint = this.endpoint }: RunOptions = {}) {
    const child = spawn(process.execPath, [this.program, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: this.#directory,
      env: {
        PATH: `${this.bin}:/usr/bin:/bin`,
        HOME: this.home,
        SHELL: "/bin/sh",
        FLEETCTL_ENDPOINT: endpoint,
        FAKE_SSH_LOG: this.#log,
        ...environment,
      },
    });
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    return child;
  }

  /** Runs fleetctl to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const child = this.spawn(args, options);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (text) => (stdout += String(text)));
    child.stderr.on("data", (text) => (stderr += String(text)));
    child.stdin.end(options.input);
    const [code] = await once(child, "close");
    return { code: Number(code ?? -1), stdout, stderr };
  }

  /** How ssh was called, in this order. */
  async sshCalls(): Promise<readonly SshCall[]> {
    const log = await readFile(this.#log, "utf8").catch(() => "");
    return log
      .split("\n")
      .filter((line) => line !== "")
      .map((line): SshCall => JSON.parse(line));
  }

  get #log(): string {
    return join(this.home, "..", "ssh.log");
  }
}

/** One for the test file, as new for each of its tests. */
export function useRemoteShell(): RemoteShell {
  const here = new RemoteShell();
  beforeAll(() => here.build());
  beforeEach(() => here.open());
  afterEach(() => here.close());
  afterAll(() => here.remove());
  return here;
}

/** Resolves once no process has the id. */
export async function gone(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves once the condition holds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
