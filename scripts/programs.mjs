// The programs of the operating system that light machines and etcd need, and how to get them.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Program → Debian packages that hold it, the newest release's first. */
const PACKAGES = new Map([
  // Before Debian 12 client and server were one package.
  ["etcd", ["etcd-server", "etcd"]],
  ["etcdctl", ["etcd-client", "etcd"]],
  ["systemctl", ["systemd"]],
  ["dbus-daemon", ["dbus-daemon", "dbus"]],
  ["unshare", ["util-linux"]],
  ["nsenter", ["util-linux"]],
  ["setpriv", ["util-linux", "setpriv"]],
  ["openssl", ["openssl"]],
  ["hostname", ["hostname"]],
]);
const POLICY = "/usr/sbin/policy-rc.d";

/** The programs of the list above that are not installed. */
function missingPrograms() {
  const missing = [...PACKAGES.keys()].filter((program) => !isOnPath(program));
  const systemd = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"].some((path) => existsSync(path));
  return systemd || missing.includes("systemctl") ? missing : [...missing, "systemctl"];
}

/**
 * Installs missing programs where that is possible: as root, on Debian and its relatives.
 *
 * @param {(line: string) => void} say
 * @returns {string | undefined} what stands in the way, for a person; undefined when nothing is missing
 */
export function providePrograms(say) {
  const missing = missingPrograms();
  if (missing.length === 0) return undefined;
  if (!isOnPath("apt-get")) return `missing on this host: ${missing.join(", ")}. Please install them`;
  const packages = packagesFor(missing);
  if (process.getuid?.() !== 0) {
    return `missing on this host: ${missing.join(", ")}. Please run: sudo apt-get install ${packages.join(" ")}`;
  }
  if (missing.some((program) => candidatesOf(program).length === 0)) {
    say("Reading the package lists (apt-get update)");
    apt(["update", "-q"]);
  }
  let chosen = packagesFor(missing);
  say(`Installing ${chosen.join(", ")} (for ${missing.join(", ")})`);
  if (!install(chosen)) {
    // Lists that are older than the archive name versions that are gone from it.
    say("That failed; reading the package lists anew (apt-get update)");
    apt(["update", "-q"]);
    chosen = packagesFor(missing);
    install(chosen);
  }
  const left = missingPrograms();
  return left.length === 0
    ? undefined
    : `apt-get could not provide ${left.join(", ")}: see above. It was asked for ${chosen.join(", ")}`;
}

/** Installs without starting a service: the lab starts its own etcd, on its own port. */
function install(packages) {
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return apt(["install", "-q", "-y", "--no-install-recommends", ...packages]);
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true });
  }
}

function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  return spawnSync("apt-get", args, { stdio: ["ignore", "inherit", "inherit"], env }).status === 0;
}

function packagesFor(programs) {
  return [
    ...new Set(programs.map((program) => candidatesOf(program)[0] ?? PACKAGES.get(program)?.[0])),
  ].sort();
}

/** Those of a program's packages that this release has. */
function candidatesOf(program) {
  return (PACKAGES.get(program) ?? []).filter((name) => {
    const { stdout } = spawnSync("apt-cache", ["policy", name], { encoding: "utf8" });
    return /Candidate: (?!\(none\))/.test(stdout ?? "");
  });
}

function isOnPath(program) {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"].some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
