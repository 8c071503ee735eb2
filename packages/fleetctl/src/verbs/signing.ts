import type { Invocation } from "../invocation.ts";

/** Says in fleet's words that signed units are gone, for `--sign` and `verify` alike; returns the exit code. */
export function refuseSigning(call: Pick<Invocation, "say">): number {
  call.say("WARNING: The signed/verified units feature is DEPRECATED and cannot be used.");
  return 2;
}
