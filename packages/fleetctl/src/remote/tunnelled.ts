import type { Duplex } from "node:stream";
import type { Endpoint, FailoverOptions } from "@fleet/api/client";
import { endpointText } from "@fleet/api/client";
import type { FlagValues } from "../cli/flag.ts";
import type { Invocation } from "../invocation.ts";
import { makeKnownHostsDirectory } from "./known-hosts-directory.ts";
import { sshSettings } from "./ssh-settings.ts";
import { Tunnel } from "./tunnel.ts";

/**
 * Milliseconds that a login may take beyond connecting: as long as sshd grants (LoginGraceTime), where somebody may
 * have a password to type or a key to confirm; otherwise what a slow host needs.
 */
const loginMs = { attended: 120_000, alone: 10_000 };

/** How the client reaches its endpoints through the host of --tunnel. Throws CommandFailure for a bad one. */
export function tunnelled(
  flags: FlagValues,
  { environment, say, relay, isTerminal }: Pick<Invocation, "environment" | "say" | "relay" | "isTerminal">,
): Pick<FailoverOptions, "dial" | "dialTimeoutMs" | "maxConnections"> {
  const settings = sshSettings(flags, environment);
  const host = settings.tunnel;
  if (host === undefined) return {};
  makeKnownHostsDirectory(settings, say);
  const tunnels = new Map<string, Tunnel>();
  const dial = (endpoint: Endpoint): Duplex => {
    const name = endpointText(endpoint);
    const known = tunnels.get(name);
    const tunnel =
      known ??
      new Tunnel({ settings, host, environment, say, ...(flags.on("debug") ? { debug: relay } : {}) });
    tunnels.set(name, tunnel);
    return tunnel.dial(endpoint);
  };
  const login = isTerminal.stderr ? loginMs.attended : loginMs.alone;
  return {
    dial,
    dialTimeoutMs: settings.connectTimeoutSeconds * 1000 + login,
    // A login takes longer than many requests one after the other, and may ask for a password.
    maxConnections: 1,
  };
}
