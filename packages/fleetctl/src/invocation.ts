import type { FleetClient } from "@fleet/api/client";
import type { Clock } from "@fleet/runtime";
import type { FlagValues } from "./cli/flag.ts";
import type { Terminal } from "./live/terminal.ts";
import type { Paint } from "./output/colors.ts";

/** What a command gets to work with. */
export interface Invocation {
  /** The global flags and the command's own. */
  readonly flags: FlagValues;
  /** What is left of the command line: names and paths. */
  readonly args: readonly string[];
  /** Writes data to stdout, as it is. */
  readonly print: (text: string) => void;
  /** Colours a text for stdout, where that is wanted. */
  readonly paint: Paint;
  /** Asks the user, and resolves to the line typed, empty without one; absent when nobody is there to ask. */
  readonly ask?: (question: string) => Promise<string>;
  /** Says a line to the user, on stderr. */
  readonly say: (line: string) => void;
  /** Says what failed when the command goes on with the rest all the same; `hints` help to put it right. */
  readonly fail: (message: string, hints?: readonly string[]) => void;
  /** Passes on to stderr what a program that fleetctl runs writes there. */
  readonly relay: (bytes: Uint8Array) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Which streams somebody looks at. */
  readonly isTerminal: { readonly stdout: boolean; readonly stderr: boolean };
  /** The API of the chosen endpoint; loaded on the first call, so that a command without it starts fast. */
  readonly connect: () => Promise<FleetClient>;
  readonly clock: Clock;
  /** Fires on Ctrl-C and on other signals that end a program; the reason is the signal's name. */
  readonly signal: AbortSignal;
  /** Fires when nobody reads stdout any more: what goes on and on may end. */
  readonly unread: AbortSignal;
  /** The terminal that stdout is, for what stays on its screen; absent where stdout is none, or one that can only go forward. */
  readonly terminal?: () => Promise<Terminal>;
}

/** A command: resolves to its exit code; throws CommandFailure (1) and UsageError (2). */
export type Verb = (call: Invocation) => Promise<number>;
