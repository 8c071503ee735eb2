import { type Clock, systemClock } from "@fleet/runtime";
import type { Terminal } from "../../../packages/fleetctl/src/live/terminal.ts";
import { run, type Surroundings } from "../../../packages/fleetctl/src/run.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A clock whose timers fire after a `factor`-th of their time: polls come quickly. What it measures is real, so that a
 * busy host does not make a command believe it has waited for long.
 */
export function acceleratedClock(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    after: (delayMs, fire) => systemClock.after(delayMs / factor, fire),
  };
}

/** Runs fleetctl in this process, as a shell would call it. */
export async function fleetctl(
  endpoint: string,
  args: readonly string[],
  around: {
    readonly clock?: Clock;
    readonly signal?: AbortSignal;
    readonly unread?: AbortSignal;
    readonly terminal?: Terminal;
    /** Called with each text for stdout. */
    readonly printed?: (text: string) => void;
    readonly environment?: Readonly<Record<string, string>>;
    readonly isTerminal?: Surroundings["isTerminal"];
    readonly ask?: (question: string) => Promise<string>;
    /** Hears each line on stderr as it comes. */
    readonly heard?: (line: string) => void;
  } = {},
): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  const { terminal } = around;
  const code = await run(args, {
    environment: { FLEETCTL_ENDPOINT: endpoint, ...around.environment },
    print: (text) => {
      stdout += text;
      around.printed?.(text);
    },
    say: (line) => {
      stderr += `${line}\n`;
      around.heard?.(line);
    },
    relay: (bytes) => {
      stderr += Buffer.from(bytes).toString("utf8");
    },
    isTerminal: around.isTerminal ?? { stdout: false, stderr: false },
    ...(around.ask === undefined ? {} : { ask: around.ask }),
    clock: around.clock ?? systemClock,
    signal: around.signal ?? new AbortController().signal,
    unread: around.unread ?? new AbortController().signal,
    ...(terminal === undefined ? {} : { terminal: async () => terminal }),
  });
  return { code, stdout, stderr };
}
