import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { FleetError } from "@fleet/runtime";
import { runCommand } from "./process.ts";

/** How this host lets a process have namespaces of its own. */
export interface HostAbilities {
  /** Put before the command that opens the namespaces: how an ordinary user gets control groups to delegate. */
  readonly prefix: readonly string[];
  /** Arguments that make `unshare` work for this user. */
  readonly unshare: readonly string[];
  /** Arguments that make `nsenter` work for this user. */
  readonly nsenter: readonly string[];
}

const PACKAGE_OF: ReadonlyMap<string, string> = new Map([
  ["dbus-daemon", "dbus-daemon"],
  ["unshare", "util-linux"],
  ["nsenter", "util-linux"],
  ["setpriv", "util-linux"],
  ["systemctl", "systemd"],
  ["etcd", "etcd-server"],
  ["etcdctl", "etcd-client"],
]);

let abilities: Promise<HostAbilities> | undefined;

/**
 * Finds out once how light machines can run here.
 *
 * Fails with `lab_host`, and a message that names every missing piece, where they cannot.
 */
export function hostAbilities(): Promise<HostAbilities> {
  abilities ??= probe();
  return abilities;
}

/** Fails with `lab_host` when one of these programs is missing. */
export function requirePrograms(programs: readonly string[]): void {
  const missing = programs.filter((program) => !onPath(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PACKAGE_OF.get(program) ?? program))].sort();
  throw new FleetError(
    "lab_host",
    `missing on this host: ${missing.join(", ")}. On Debian: apt-get install ${packages.join(" ")}`,
  );
}

async function probe(): Promise<HostAbilities> {
  requirePrograms(["dbus-daemon", "unshare", "nsenter", "setpriv", "systemctl"]);
  if (!existsSync("/lib/systemd/systemd") && !existsSync("/usr/lib/systemd/systemd")) {
    throw new FleetError("lab_host", "missing on this host: systemd. On Debian: apt-get install systemd");
  }
  if (process.getuid?.() === 0) {
    await probeNamespaces([], "root may not create namespaces here: run the container with --privileged");
    return { prefix: [], unshare: [], nsenter: [] };
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
  return { prefix, unshare, nsenter: ["--user", "--preserve-credentials"] };
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
