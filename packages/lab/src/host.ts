import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { FleetError } from "@fleet/runtime";
import { runCommand } from "./process.ts";

/** What the machines of a lab can be on this host, and how it lets a process have namespaces of its own. */
export interface HostAbilities {
  /** Put before the command that opens the namespaces: how an ordinary user gets control groups to delegate. */
  readonly prefix: readonly string[];
  /** Arguments that make `unshare` work for this user. */
  readonly unshare: readonly string[];
  /** Arguments that make `nsenter` work for this user. */
  readonly nsenter: readonly string[];
  readonly fullMachines: FullMachineAbility;
}

/** Whether full machines can run here; if not, why not, for a person. */
export type FullMachineAbility =
  | { readonly possible: true }
  | { readonly possible: false; readonly reason: string };

const PACKAGE_OF: ReadonlyMap<string, string> = new Map([
  ["dbus-daemon", "dbus-daemon"],
  ["unshare", "util-linux"],
  ["nsenter", "util-linux"],
  ["setpriv", "util-linux"],
  ["systemctl", "systemd"],
  ["etcd", "etcd-server"],
  ["etcdctl", "etcd-client"],
  ["systemd-nspawn", "systemd-container"],
  ["sshd", "openssh-server"],
  ["ssh", "openssh-client"],
  ["ssh-agent", "openssh-client"],
  ["ssh-add", "openssh-client"],
  ["ssh-keygen", "openssh-client"],
  ["ip", "iproute2"],
  ["sudo", "sudo"],
  ["dbus.socket", "dbus"],
]);

/** What the kernel has to give, and how to find out; each runs in namespaces that end with it. */
const FULL_MACHINE_PROBES: readonly (readonly [string, string])[] = [
  [
    "a network bridge",
    "ip link add probe0 type bridge && ip link property add dev probe0 altname probe-name",
  ],
  ["a pair of network interfaces", "ip link add probe1 type veth peer name probe2"],
  [
    "an overlay over the host's root",
    "mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r && " +
      "mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r",
  ],
];

let abilities: Promise<HostAbilities> | undefined;

/**
 * Finds out once how machines can run here.
 *
 * Fails with `lab_host`, and a message that names every missing piece, where not even light ones can.
 */
export function hostAbilities(): Promise<HostAbilities> {
  abilities ??= probe();
  return abilities;
}

/** Fails with `lab_host` when one of these programs is missing. */
export function requirePrograms(programs: readonly string[]): void {
  const missing = programs.filter((program) => !onPath(program));
  if (missing.length > 0) throw new FleetError("lab_host", missingText(missing));
}

/** Fails with `lab_host`, and the reason, where full machines cannot run. */
export async function requireFullMachines(): Promise<void> {
  const { fullMachines } = await hostAbilities();
  if (!fullMachines.possible) {
    throw new FleetError("lab_host", `no full machine can run here: ${fullMachines.reason}`);
  }
}

function missingText(missing: readonly string[]): string {
  const packages = [...new Set(missing.map((program) => PACKAGE_OF.get(program) ?? program))].sort();
  return `missing on this host: ${missing.join(", ")}. On Debian: apt-get install ${packages.join(" ")}`;
}

async function probe(): Promise<HostAbilities> {
  requirePrograms(["dbus-daemon", "unshare", "nsenter", "setpriv", "systemctl"]);
  if (!existsSync("/lib/systemd/systemd") && !existsSync("/usr/lib/systemd/systemd")) {
    throw new FleetError("lab_host", "missing on this host: systemd. On Debian: apt-get install systemd");
  }
  if (process.getuid?.() === 0) {
    await probeNamespaces([], "root may not create namespaces here: run the container with --privileged");
    return { prefix: [], unshare: [], nsenter: [], fullMachines: await probeFullMachines() };
  }
  const unshare = ["--user", "--map-root-user"];
  await probeNamespaces(
    unshare,
    "an ordinary user may not create namespaces here: be root, or allow it with `sysctl -w " +
      "kernel.unprivileged_userns_clone=1` (Debian) or `sysctl -w " +
      "kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu)",
  );
  // Only the user's own systemd can hand an ordinary user control groups, which every systemd needs.
  const prefix = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", "--"];
  const scope = await runCommand([...prefix, "true"], { env: process.env, timeoutMs: 10_000 });
  if (scope.exitCode !== 0) {
    throw new FleetError(
      "lab_host",
      "an ordinary user needs a systemd user session here for control groups, and there is none " +
        `(${scope.stderr.trim()}): log in on a host booted by systemd, or be root`,
    );
  }
  const fullMachines = { possible: false, reason: "they need root" } as const;
  return { prefix, unshare, nsenter: ["--user", "--preserve-credentials"], fullMachines };
}

/** For root: whether there is all that full machines take. */
async function probeFullMachines(): Promise<FullMachineAbility> {
  const programs = [
    ...["systemd-nspawn", "sshd", "ssh", "ssh-agent", "ssh-add", "ssh-keygen", "ip", "sudo", "journalctl"],
  ].filter((program) => !onPath(program));
  // The system bus is more than the program that light machines have enough of.
  const busUnits = ["/usr/lib/systemd/system/dbus.socket", "/lib/systemd/system/dbus.socket"];
  const missing = busUnits.some(existsSync) ? programs : [...programs, "dbus.socket"];
  if (missing.length > 0) return { possible: false, reason: missingText(missing) };
  for (const [needed, script] of FULL_MACHINE_PROBES) {
    const command = ["unshare", "--mount", "--net", "--", "sh", "-ec", script];
    const { exitCode, stderr } = await runCommand(command, { env: process.env, timeoutMs: 10_000 });
    if (exitCode !== 0) {
      return { possible: false, reason: `${needed} cannot be had on this host (${stderr.trim()})` };
    }
  }
  return { possible: true };
}

async function probeNamespaces(unshare: readonly string[], problem: string): Promise<void> {
  const command = [
    "unshare",
    ...unshare,
    "--mount",
    "--uts",
    "--ipc",
    "--pid",
    "--fork",
    "--mount-proc",
    "true",
  ];
  const result = await runCommand(command, { env: process.env, timeoutMs: 10_000 });
  if (result.exitCode !== 0) throw new FleetError("lab_host", `${problem} (${result.stderr.trim()})`);
}

function onPath(program: string): boolean {
  const directories = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
