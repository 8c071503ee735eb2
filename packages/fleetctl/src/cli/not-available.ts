import { CommandFailure } from "../failure.ts";
import type { FlagValues } from "./flag.ts";

/** Commands of fleet 1.0 that this version lacks: named, so that nobody takes them for typing mistakes. */
export const notAvailable: readonly string[] = ["fd-forward", "journal", "ssh", "status"];

export function refuseNotAvailable(name: string): void {
  if (notAvailable.includes(name))
    throw new CommandFailure(`fleetctl ${name} is not available in this version`);
}

/** Refuses global flags that would choose a way to the cluster this version lacks. */
export function refuseUnavailable(flags: FlagValues): void {
  if (flags.text("tunnel") !== "") throw new CommandFailure("--tunnel is not available in this version");
  const driver = flags.text("driver").toLowerCase();
  if (driver !== "api" && driver !== "etcd")
    throw new CommandFailure(`Unrecognized driver: ${flags.text("driver")}`);
}
