import type { Endpoint } from "@fleet/api/client";
import { shellLine, shellWord } from "./shell-words.ts";
import type { SshDestination } from "./ssh-destination.ts";
import type { HostKeys, SshSettings } from "./ssh-settings.ts";

/**
 * From fleetctl's flags to the arguments of OpenSSH's `ssh`.
 *
 * What is given here is stronger than ssh's configuration, so that as little as possible is given: of User,
 * ConnectTimeout and UserKnownHostsFile fleetctl's own defaults are its contract, and those are always given; port, agent
 * forwarding and StrictHostKeyChecking only when their flag was; HostName, IdentityFile, ProxyJump and the like never.
 */

/** What to do on a machine. */
export interface MachineSession {
  /** The machine's address. */
  readonly address: string;
  /** Undefined: what ssh's configuration says. */
  readonly port: number | undefined;
  /** Undefined: what ssh's configuration says. */
  readonly forwardAgent: boolean | undefined;
  /**
   * - `user`: the user's own words, or a shell without any. They are handed over as ssh takes them: separate, joined
   *   by blanks for the remote shell.
   * - `fleetctl`: a command that fleetctl makes up, each word meaning itself. */
  readonly from: "user" | "fleetctl";
  readonly words: readonly string[];
}

/** Arguments that open a session on a machine, through the tunnel when there is one. */
export function machineArguments(settings: SshSettings, session: MachineSession): readonly string[] {
  const { address, port, forwardAgent, from, words } = session;
  return [
    ...commonOptions(settings, settings.user),
    ...portOption(port),
    ...(forwardAgent === undefined ? [] : [forwardAgent ? "-A" : "-a"]),
    ...(settings.tunnel === undefined
      ? []
      : ["-o", `ProxyCommand=${proxyCommand(settings, settings.tunnel)}`]),
    ...(from === "fleetctl" ? unattended : []),
    // Without it ssh takes a first word with a dash, and an address with one, for flags of its own.
    "--",
    address,
    ...(from === "fleetctl" ? [shellLine(words)] : words),
  ];
}

/** Arguments that make ssh's stdin and stdout a connection to the endpoint, as the tunnel's host reaches it. */
export function tunnelArguments(
  settings: SshSettings,
  tunnel: SshDestination,
  endpoint: Endpoint,
): readonly string[] {
  const { user = settings.user, host, port } = tunnel;
  const common = [...commonOptions(settings, user), ...portOption(port), ...unattended];
  if (endpoint.kind === "unix") {
    return [...common, "--", host, shellLine(["fleetctl", "fd-forward", endpoint.socketPath])];
  }
  const target = endpoint.hostname.includes(":") ? `[${endpoint.hostname}]` : endpoint.hostname;
  return [...common, "-W", `${target}:${endpoint.port}`, "--", host];
}

/**
 * For a connection that a program uses: no terminal, nothing forwarded along with it, and an end when the other side is
 * gone, which without traffic nobody would notice.
 */
const unattended = [
  "-T",
  "-a",
  "-x",
  "-o",
  "ClearAllForwardings=yes",
  "-o",
  "ServerAliveInterval=15",
] as const;

function commonOptions({ connectTimeoutSeconds, hostKeys }: SshSettings, user: string): readonly string[] {
  return ["-l", user, "-o", `ConnectTimeout=${connectTimeoutSeconds}`, ...hostKeyOptions(hostKeys)];
}

function hostKeyOptions(hostKeys: HostKeys): readonly string[] {
  if (!hostKeys.check) {
    return [
      ...["-o", "StrictHostKeyChecking=no"],
      // With a known key that differs, ssh would go on, but without passwords and forwarding: it must know none.
      ...["-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null"],
      // Else it says each time that it has added the key to /dev/null.
      ...["-o", "LogLevel=ERROR"],
    ];
  }
  return [
    ...["-o", `UserKnownHostsFile=${hostKeys.files.map(fileInList).join(" ")}`],
    ...(hostKeys.askedFor ? ["-o", "StrictHostKeyChecking=ask"] : []),
  ];
}

/** The list is separated by blanks, and has tokens such as %h. */
function fileInList(path: string): string {
  const escaped = path.replaceAll("%", "%%");
  return /[\s"'\\]/.test(escaped) ? `"${escaped.replace(/["\\]/g, "\\$&")}"` : escaped;
}

function portOption(port: number | undefined): readonly string[] {
  return port === undefined ? [] : ["-p", String(port)];
}

/** A shell's command line, in which ssh replaces %h and %p by the machine's address and port. */
function proxyCommand(settings: SshSettings, { user = settings.user, host, port }: SshDestination): string {
  const words = ["ssh", ...commonOptions(settings, user), ...portOption(port), "-T", "-a", "-x"];
  return `${withoutTokens(shellLine(words))} -W '[%h]:%p' -- ${withoutTokens(shellWord(host))}`;
}

function withoutTokens(text: string): string {
  return text.replaceAll("%", "%%");
}
