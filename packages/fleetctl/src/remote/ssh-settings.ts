import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { FlagValues } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import { parseSshDestination, type SshDestination } from "./ssh-destination.ts";

/** What the global flags say about ssh. */
export interface SshSettings {
  readonly user: string;
  /** Whole seconds, at least one: to ssh, 0 means no limit. */
  readonly connectTimeoutSeconds: number;
  readonly hostKeys: HostKeys;
  readonly tunnel: SshDestination | undefined;
}

export type HostKeys =
  | { readonly check: false }
  | {
      readonly check: true;
      /** Checking was asked for: stronger than what ssh's configuration says. */
      readonly askedFor: boolean;
      /** Where known keys are; new ones go to the first. As ssh reads them: it knows `~` itself. */
      readonly files: readonly [string, ...string[]];
    };

/** The files that ssh reads of its own accord. */
const USERS_FILES = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"] as const;

/** Throws CommandFailure for a tunnel that names no host. */
export function sshSettings(
  flags: FlagValues,
  environment: Readonly<Record<string, string | undefined>>,
): SshSettings {
  return {
    user: flags.text("ssh-username"),
    connectTimeoutSeconds: Math.ceil(flags.milliseconds("ssh-timeout") / 1000),
    hostKeys: hostKeys(flags, environment.HOME ?? homedir()),
    tunnel: tunnel(flags.text("tunnel")),
  };
}

function hostKeys(flags: FlagValues, home: string): HostKeys {
  if (!flags.on("strict-host-key-checking")) return { check: false };
  const named = flags.text("known-hosts-file");
  const file = named.startsWith("~/") ? join(home, named.slice(2)) : resolve(named);
  // Whoever names a file trusts what is in it, and nothing else.
  const files = flags.given("known-hosts-file") ? ([file] as const) : ([file, ...USERS_FILES] as const);
  return { check: true, askedFor: flags.given("strict-host-key-checking"), files };
}

function tunnel(text: string): SshDestination | undefined {
  if (text === "") return undefined;
  const parsed = parseSshDestination(text);
  if (!parsed.ok) throw new CommandFailure(`--tunnel=${parsed.problem}`);
  return parsed.value;
}
