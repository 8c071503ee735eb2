import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentsProcessOptions } from "./agents-process.ts";

/** Machines that share a process: see agents-process.ts. They register on their own; etcd tells when they have. */
export class SimulatedMachines {
  readonly #process: ChildProcess;

  constructor(options: AgentsProcessOptions) {
    this.#process = fork(join(import.meta.dirname, "agents-process.mjs"), [JSON.stringify(options)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What it holds now, in MiB, as the kernel counts it. */
  memoryMiB(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    const [, kib = "NaN"] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    return Number(kib) / 1024;
  }

  /** All of them lose power at once: their leases run out. */
  async kill(): Promise<void> {
    if (!this.running) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}
