import { colorChoices } from "../output/colors.ts";
import { type Flag, FlagValues, UsageError } from "./flag.ts";

export const globalFlags: readonly Flag[] = [
  {
    name: "endpoint",
    kind: "text",
    fallback: "unix:///var/run/fleet.sock",
    help: "Location of the fleet API: unix:///PATH, file:///PATH, http://HOST[:PORT] or https://HOST[:PORT]. Of several, separated by commas, the first that can be reached. With --driver=etcd: etcd's members, separated by commas",
  },
  {
    name: "driver",
    kind: "text",
    fallback: "API",
    help: "Adapter used to execute fleetctl commands: API, or etcd (straight against etcd: no fleetd is needed)",
  },
  {
    name: "etcd-key-prefix",
    kind: "text",
    fallback: "/_coreos.com/fleet/",
    help: "With --driver=etcd: where the cluster's data is, etcd_key_prefix in fleet.conf",
  },
  { name: "etcd-username", kind: "text", fallback: "", help: "With --driver=etcd: user for etcd" },
  {
    name: "etcd-password",
    kind: "text",
    fallback: "",
    help: "Its password; better in FLEETCTL_ETCD_PASSWORD: command lines are shown to every user",
  },
  {
    name: "ca-file",
    kind: "text",
    fallback: "",
    suggests: "file",
    help: "CA file used to verify the server's certificate",
  },
  {
    name: "cert-file",
    kind: "text",
    fallback: "",
    suggests: "file",
    help: "Certificate file shown to the server",
  },
  { name: "key-file", kind: "text", fallback: "", suggests: "file", help: "Key file of the certificate" },
  {
    name: "request-timeout",
    kind: "seconds",
    fallback: "3.0",
    help: "Seconds to allow a single request before it counts as failed",
  },
  {
    name: "tunnel",
    kind: "text",
    fallback: "",
    help: "Reach the fleet API and the machines over ssh through this host, [USER@]HOST[:PORT]; --endpoint is meant as it is seen from there",
  },
  {
    name: "ssh-username",
    kind: "text",
    fallback: "core",
    help: "User to log in as, on machines and on the host of --tunnel. User in ssh's configuration does not count",
  },
  {
    name: "ssh-timeout",
    kind: "seconds",
    fallback: "10.0",
    help: "Seconds to allow ssh for connecting, ConnectTimeout of ssh",
  },
  {
    name: "strict-host-key-checking",
    kind: "switch",
    fallback: "true",
    help: "Verify the host keys of machines. When given as true, ssh asks about unknown ones; else StrictHostKeyChecking in its configuration counts. When false, any key is accepted and none kept",
  },
  {
    name: "known-hosts-file",
    kind: "text",
    fallback: "~/.fleetctl/known_hosts",
    suggests: "file",
    help: "File that new host keys are kept in. By default those in ~/.ssh/known_hosts count as well; when given, this file only",
  },
  { name: "json", kind: "switch", fallback: "false", help: "Print listings and errors as JSON" },
  {
    name: "color",
    kind: "text",
    fallback: "auto",
    choices: colorChoices,
    help: "Colour what failed or is under way: auto (on a terminal, unless NO_COLOR is set), always or never",
  },
  { name: "debug", kind: "switch", fallback: "false", help: "Print out more debug information to stderr" },
  { name: "version", short: "v", kind: "switch", fallback: "false", help: "Print the version and exit" },
  { name: "help", short: "h", kind: "switch", fallback: "false", help: "Print help and exit" },
  // fleet's older names for --ca-file and its like, which still count with --driver=etcd.
  ...["etcd-keyfile", "etcd-certfile", "etcd-cafile"].map(quiet("text")),
  // Without effect, and accepted, because scripts and environments set it.
  ...["experimental-api"].map(quiet("switch")),
];

function quiet(kind: Flag["kind"]): (name: string) => Flag {
  return (name) => ({
    name,
    kind,
    fallback: kind === "switch" ? "false" : "",
    help: "",
    hidden: true,
  });
}

/**
 * Global flags set in the environment: `--request-timeout` is FLEETCTL_REQUEST_TIMEOUT. Throws UsageError
 * naming the variable when its value does not fit.
 */
export function flagsFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const flag of globalFlags) {
    // FLEETCTL_VERSION is what build files call the release they install.
    if (flag.name === "version" || flag.name === "help") continue;
    const variable = `FLEETCTL_${flag.name.replaceAll("-", "_").toUpperCase()}`;
    const text = environment[variable];
    // An empty variable is how a script unsets one for a single call.
    if (text === undefined || text === "") continue;
    try {
      new FlagValues([flag], new Map([[flag.name, text]]));
    } catch (error) {
      if (error instanceof UsageError) throw new UsageError(`${error.message} (from ${variable})`);
      throw error;
    }
    given.set(flag.name, text);
  }
  return given;
}
