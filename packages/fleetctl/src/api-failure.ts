import { FleetApiError, FleetUnreachableError } from "@fleet/api/client";
import { errorCode, errorMessage } from "@fleet/runtime";
import { CommandFailure } from "./failure.ts";

/**
 * Awaits a call of the API and words its failure: `wording` gets the reason. An interrupt passes through
 * unchanged.
 */
export async function wordedAs<Value>(
  wording: (reason: string) => string,
  call: Promise<Value>,
): Promise<Value> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof CommandFailure || isInterrupt(error)) throw error;
    throw new CommandFailure(wording(errorMessage(error)), { hints: hintsFor(error), cause: error });
  }
}

/** Whether a call ended because its AbortSignal fired: Node's own APIs and ours name it differently. */
export function isInterrupt(error: unknown): boolean {
  const code = errorCode(error);
  return (
    code === "aborted" || code === "ABORT_ERR" || (error instanceof Error && error.name === "AbortError")
  );
}

function hintsFor(error: unknown): readonly string[] {
  if (error instanceof FleetUnreachableError) {
    return [
      "Is fleetd running on this machine, and may this user open its socket?",
      "Another daemon is chosen with --endpoint or FLEETCTL_ENDPOINT, e.g. --endpoint=http://10.0.2.15:49153",
    ];
  }
  if (error instanceof FleetApiError && error.status === 503) {
    return [
      "fleetd answers, but cannot reach etcd; units keep running meanwhile.",
      "Check that etcd is up and that etcd_servers in fleet.conf names it.",
    ];
  }
  return [];
}
