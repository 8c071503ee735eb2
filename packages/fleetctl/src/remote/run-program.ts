import { spawn } from "node:child_process";
import { errorCode, errorMessage } from "@fleet/runtime";
import { CommandFailure } from "../failure.ts";
import { codeOfSignal, signalOf } from "../interrupt.ts";
import { endOfChild } from "./end-of-child.ts";

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where it runs; where fleetctl does when absent. */
  readonly directory?: string;
  /** `ignore` for a program that has no business with the input: a loop that reads its items from there goes on. */
  readonly stdin: "inherit" | "ignore";
  /** Gets what the program writes to stderr, which otherwise is fleetctl's own. */
  readonly relay?: (bytes: Uint8Array) => void;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Whether the terminal tells the program of Ctrl-C by itself. If not, or not known to, it is told. */
  readonly hearsCtrlC: boolean;
}

export interface ProgramEnd {
  /** As a shell has it: 128 and more for a program ended by a signal. */
  readonly code: number;
  /** The end of what it relayed. */
  readonly stderr: string;
}

/** Characters of stderr that are kept. ssh's longest complaint has about a thousand. */
const keptStderr = 8_192;

/**
 * Runs a program in the place of fleetctl, with its terminal. Throws CommandFailure when it cannot be run.
 *
 * Ctrl-C is the program's business while it runs, as it is under a shell: it may well go on, as an editor does, and
 * fleetctl must not leave the terminal to two.
 */
export async function runProgram(program: Program): Promise<ProgramEnd> {
  const { command, args, environment, directory, stdin, relay, signal, hearsCtrlC } = program;
  const child = spawn(command, args, {
    stdio: [stdin, "inherit", relay === undefined ? "inherit" : "pipe"],
    env: { ...environment },
    ...(directory === undefined ? {} : { cwd: directory }),
  });
  let stderr = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    stderr = (stderr + bytes.toString("latin1")).slice(-keptStderr);
    relay?.(bytes);
  });
  const passOn = (): void => {
    const received = signalOf(signal);
    if (received !== "SIGINT" || !hearsCtrlC) child.kill(received);
  };
  const outlive = (): void => {};
  signal.addEventListener("abort", passOn, { once: true });
  process.on("SIGINT", outlive);
  try {
    if (signal.aborted) passOn();
    const end = await endOfChild(child);
    const code = end.signal === null ? (end.code ?? 0) : codeOfSignal(end.signal);
    return { code, stderr: Buffer.from(stderr, "latin1").toString("utf8") };
  } catch (error) {
    const reason =
      errorCode(error) === "ENOENT" ? "it is not installed, or not in PATH" : errorMessage(error);
    throw new CommandFailure(`cannot run ${command}: ${reason}`, { cause: error });
  } finally {
    signal.removeEventListener("abort", passOn);
    process.off("SIGINT", outlive);
  }
}
