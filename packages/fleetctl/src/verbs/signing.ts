import { type FlagValues, UsageError } from "../cli/flag.ts";

/** fleet's words, for `--sign` and `verify` alike. */
export const SIGNING_GONE = "WARNING: The signed/verified units feature is DEPRECATED and cannot be used.";

export function refuseSigning(flags: FlagValues): void {
  if (flags.on("sign")) throw new UsageError(SIGNING_GONE);
}
