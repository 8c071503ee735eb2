import type { FlagValues } from "../cli/flag.ts";

/** How long a command waits: not at all, or for a number of polls of 0.5 s, 0 meaning without limit. */
export type Blocking = { readonly wait: false } | { readonly wait: true; readonly attempts: number };

export function blockingOf(flags: FlagValues): Blocking {
  const attempts = flags.number("block-attempts");
  // fleet took a negative number of attempts for --no-block.
  if (flags.on("no-block") || attempts < 0) return { wait: false };
  return { wait: true, attempts };
}
