import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineMessage, EngineProcessOptions } from "./engine-process.ts";
import { wallMs } from "./wall-clock.ts";

type Kind = EngineMessage["kind"];

/** An engine in a process of its own. */
export class Leader {
  /** When its process was asked for, by `wallMs`. */
  readonly startedAtMs = wallMs();
  readonly #process: ChildProcess;
  readonly #messages: EngineMessage[] = [];
  #heard: () => void = () => {};

  constructor(options: EngineProcessOptions) {
    this.#process = fork(join(import.meta.dirname, "engine-process.mjs"), [JSON.stringify(options)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#process.on("message", (message: EngineMessage) => {
      this.#messages.push(message);
      this.#heard();
    });
    this.#process.on("exit", () => this.#heard());
  }

  /** The first message of this kind for which `holds` is true, already told or still to come. */
  async until<K extends Kind>(
    kind: K,
    holds: (message: Extract<EngineMessage, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<EngineMessage, { kind: K }>> {
    const isIt = (message: EngineMessage): message is Extract<EngineMessage, { kind: K }> =>
      message.kind === kind;
    for (let next = 0; ; ) {
      for (; next < this.#messages.length; next += 1) {
        const message = this.#messages[next];
        if (message !== undefined && isIt(message) && holds(message)) return message;
      }
      if (this.#process.exitCode !== null) throw new Error("the engine's process has ended");
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  /** Most memory it has ever held, in MiB, as the kernel counts it. */
  peakMemoryMiB(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    const [, kib = "NaN"] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    return Number(kib) / 1024;
  }

  /** Lets it step down, and ends it. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.disconnect();
    await ended;
  }
}
