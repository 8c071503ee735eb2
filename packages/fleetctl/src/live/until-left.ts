import { isInterrupt } from "../api-failure.ts";
import { codeOfSignal, signalOf } from "../interrupt.ts";
import type { Invocation } from "../invocation.ts";

/** Why a command that stays ends by the user's keys. */
export type Leave = "asked" | "interrupted";

/**
 * Does what goes on until a signal fires, nobody reads stdout any more or the user leaves. Resolves to the exit code; throws what
 * else ends the work.
 *
 * @param leave Aborted, with a Leave for its reason, when the user leaves.
 */
export async function untilLeft(
  call: Pick<Invocation, "signal" | "unread">,
  leave: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  try {
    await work(AbortSignal.any([call.signal, call.unread, leave]));
    return 0;
  } catch (error) {
    if (!isInterrupt(error)) throw error;
    if (call.signal.aborted) return codeOfSignal(signalOf(call.signal));
    return leave.reason === "interrupted" ? codeOfSignal("SIGINT") : 0;
  }
}
