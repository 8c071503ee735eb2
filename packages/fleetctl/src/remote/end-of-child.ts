import type { ChildProcess } from "node:child_process";

export interface ChildExit {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Milliseconds for what a program has written before its end to be read. Its output is open for longer only where a
 * program that it has started outlives it, as a ControlMaster of ssh does.
 */
const readWithinMs = 250;

/** Resolves when a program has ended and its output has been read; rejects when it could not be run. */
export function endOfChild(child: ChildProcess): Promise<ChildExit> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
    child.once("exit", (code, signal) => {
      const enough = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        resolve({ code, signal });
      }, readWithinMs);
      child.once("close", () => clearTimeout(enough));
    });
  });
}
