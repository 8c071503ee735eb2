import { FleetApiError, FleetUnreachableError } from "@fleet/api/client";
import { errorCode, errorMessage } from "@fleet/runtime";
import { CommandFailure } from "./failure.ts";
import { TunnelFailure } from "./remote/tunnel-failure.ts";

/** How a daemon, of fleet 1.0 or of this project, begins to say that it cannot reach etcd. */
const ETCD_AWAY = "fleet server unable to communicate with etcd";

/** How a daemon begins to say that etcd refuses to store more. */
const ETCD_FULL = "etcd has no space left";

/** How a daemon begins to say that it will not act on what etcd holds. */
const FROZEN = "fleetd is frozen: ";

/** How the daemon that a command talks to is chosen. */
const BY_ENDPOINT = "--endpoint or FLEETCTL_ENDPOINT, e.g. --endpoint=http://10.0.2.15:49153";

/**
 * Awaits a call of the API and words its failure: `wording` gets the reason. An interrupt passes through
 * unchanged. `chosenWith`: how the user names the daemon that was called, with an example.
 */
export async function wordedAs<Value>(
  wording: (reason: string) => string,
  call: Promise<Value>,
  chosenWith = BY_ENDPOINT,
): Promise<Value> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof CommandFailure || isInterrupt(error)) throw error;
    throw new CommandFailure(wording(errorMessage(error)), {
      hints: hintsFor(error, chosenWith),
      cause: error,
    });
  }
}

/** Whether a call ended because its AbortSignal fired: Node's own APIs and ours name it differently. */
export function isInterrupt(error: unknown): boolean {
  const code = errorCode(error);
  return (
    code === "aborted" || code === "ABORT_ERR" || (error instanceof Error && error.name === "AbortError")
  );
}

function hintsFor(error: unknown, chosenWith: string): readonly string[] {
  if (error instanceof FleetUnreachableError) {
    const { cause } = error;
    if (cause instanceof TunnelFailure) return cause.hints;
    const denied = errorCode(cause) === "EACCES";
    return [
      denied
        ? "This user may not open the socket: that takes root, or its group (SocketGroup= in fleet.socket)."
        : "Is fleetd running there, and does it listen at this address?",
      `Another daemon is chosen with ${chosenWith}`,
    ];
  }
  if (!(error instanceof FleetApiError)) return [];
  if (error.status === 404) return ["Something answers there, but it has no fleet API: is it fleetd?"];
  if (error.message.startsWith(ETCD_AWAY)) {
    return [
      "fleetd answers, but cannot reach etcd; units keep running meanwhile.",
      "Check that etcd is up and that etcd_servers in fleet.conf names it.",
    ];
  }
  if (error.message.startsWith(ETCD_FULL)) {
    return [
      "Units keep running and can be listed; nothing can be changed before there is room.",
      "etcdctl compact and etcdctl defrag make room, etcdctl alarm disarm lets changes in again.",
    ];
  }
  if (error.message.startsWith(FROZEN)) {
    return [
      "Units keep running, and nothing is changed until etcd holds this machine's cluster again.",
      "The way out: put etcd back as it was, or seed it anew from what the machines run: fleetctl reseed",
      "A fleetd that is stopped in order, with its units, joins the cluster that it finds at its next start.",
    ];
  }
  return [];
}
