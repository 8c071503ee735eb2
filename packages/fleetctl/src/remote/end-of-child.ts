import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";

export interface ChildExit {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Milliseconds for what a program has written before its end to be read. Its output is open for longer only where a
 * program that it has started outlives it, as a ControlMaster of ssh does, or whoever reads it takes a while.
 */
const readWithinMs = 250;

/** Resolves when a program has ended and its output has been read; rejects when it could not be run. */
export function endOfChild(child: ChildProcess): Promise<ChildExit> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
    child.once("exit", (code, signal) => {
      let enough: NodeJS.Timeout;
      const look = (): void => {
        if (hasMore(child.stdout) || hasMore(child.stderr)) {
          wait();
          return;
        }
        child.stdout?.destroy();
        child.stderr?.destroy();
        resolve({ code, signal });
      };
      const wait = (): void => {
        // Timers come before what is there to be read: a process that was busy has read nothing yet.
        enough = setTimeout(() => setImmediate(look), readWithinMs);
      };
      wait();
      child.once("close", () => clearTimeout(enough));
    });
  });
}

/** Held up by its reader. */
function hasMore(output: Readable | null): boolean {
  return output !== null && !output.destroyed && (output.isPaused() || output.readableLength > 0);
}
