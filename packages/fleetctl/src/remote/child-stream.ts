import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { type ChildExit, endOfChild } from "./end-of-child.ts";

export interface ChildStreamOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the end of the program means: undefined for the end of the stream, which an orderly one is. */
  readonly failureOf: (end: ChildEnd) => Error | undefined;
  /** Called when the first bytes have come. */
  readonly onUp: () => void;
  /** Gets what the program writes to stderr. */
  readonly onStderr?: (bytes: Uint8Array) => void;
}

export interface ChildEnd extends ChildExit {
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
  /** Whether it ever wrote to stdout. */
  readonly wasUp: boolean;
  /** Why it could not be run. */
  readonly error?: unknown;
}

/** Characters of stderr that are kept. ssh's longest complaint has about a thousand. */
const keptStderr = 8_192;

/** Milliseconds that the program has to end in when it is told to. */
const endWithinMs = 1_000;

/**
 * A program's stdin and stdout as one connection.
 *
 * - The program ends with the stream: destroying it tells the program to end, and kills it when it does not. Should
 *   this process be killed, the program sees the end of its stdin.
 * - What is wrong is known when the program has ended: a write that fails before says nothing of itself.
 */
export class ChildStream extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  #stderr = "";
  #wasUp = false;

  constructor({ command, args, environment, failureOf, onUp, onStderr }: ChildStreamOptions) {
    super();
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...environment } });
    this.#child = child;
    child.stdout.on("data", (bytes: Buffer) => {
      if (!this.#wasUp) onUp();
      this.#wasUp = true;
      if (!this.push(bytes)) child.stdout.pause();
    });
    child.stderr.on("data", (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString("latin1")).slice(-keptStderr);
      onStderr?.(bytes);
    });
    const end = (ended: Pick<ChildEnd, "code" | "signal" | "error">): void => {
      const stderr = Buffer.from(this.#stderr, "latin1").toString("utf8");
      const failure = failureOf({ ...ended, stderr, wasUp: this.#wasUp });
      if (failure !== undefined) this.destroy(failure);
      else this.push(null);
    };
    endOfChild(child).then(end, (error: unknown) => end({ code: null, signal: null, error }));
    child.stdin.on("error", () => {});
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#child.stdin.write(chunk, (error) => {
      if (error === null || error === undefined) done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const child = this.#child;
    const isRunning = child.exitCode === null && child.signalCode === null;
    if (isRunning && child.pid !== undefined) {
      child.kill("SIGTERM");
      const force = setTimeout(() => child.kill("SIGKILL"), endWithinMs);
      child.once("exit", () => clearTimeout(force));
    }
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    done(error);
  }
}
