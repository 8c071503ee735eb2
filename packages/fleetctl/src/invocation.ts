import type { FleetClient } from "@fleet/api/client";
import type { Clock } from "@fleet/runtime";
import type { FlagValues } from "./cli/flag.ts";

/** What a command gets to work with. */
export interface Invocation {
  /** The global flags and the command's own. */
  readonly flags: FlagValues;
  /** What is left of the command line: names and paths. */
  readonly args: readonly string[];
  /** Writes data to stdout, as it is. */
  readonly print: (text: string) => void;
  /** Says a line to the user, on stderr. */
  readonly say: (line: string) => void;
  /** The API of the chosen endpoint; loaded on the first call, so that a command without it starts fast. */
  readonly connect: () => Promise<FleetClient>;
  readonly clock: Clock;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A command: resolves to its exit code; throws CommandFailure (1) and UsageError (2). */
export type Verb = (call: Invocation) => Promise<number>;
