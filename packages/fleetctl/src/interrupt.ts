import { constants } from "node:os";

/** The signals that end a command. */
export const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export type EndingSignal = (typeof endingSignals)[number];

/** The signal that has interrupted a command, which is the reason of its AbortSignal; Ctrl-C where it is not told. */
export function signalOf({ reason }: AbortSignal): EndingSignal {
  return endingSignals.find((name) => name === reason) ?? "SIGINT";
}

/** Exit code of what was ended by a signal, as shells have it: 130 for Ctrl-C. */
export function codeOfSignal(name: NodeJS.Signals): number {
  return 128 + constants.signals[name];
}
