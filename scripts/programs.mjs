// The parts of the operating system that the lab's machines and etcd need, and how to get them.

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
/** The same for full machines, which only root can run: without them their tests are skipped, and say so. */
const FULL_MACHINE_PACKAGES = new Map([
  ["systemd-nspawn", ["systemd-container"]],
  ["sshd", ["openssh-server"]],
  ["ssh", ["openssh-client"]],
  ["ip", ["iproute2"]],
  ["sudo", ["sudo"]],
  // The system's message bus; light machines have enough of the program.
  ["dbus.socket", ["dbus"]],
]);
/** The browser that tests of the dashboard run in: large, and without it they are skipped, and say so. */
const BROWSER_PACKAGES = new Map([["chromium", ["chromium"]]]);
const POLICY = "/usr/sbin/policy-rc.d";

/** What is needed, of the lists above, and is not installed. What can be done without only root is asked for. */
function missingPrograms({ machines = true, fullMachines = false, browser = false }) {
  const wanted = [
    ...(machines ? PACKAGES.keys() : []),
    ...(fullMachines && isRoot() ? FULL_MACHINE_PACKAGES.keys() : []),
    ...(browser && isRoot() ? BROWSER_PACKAGES.keys() : []),
  ];
  return wanted.filter((name) => !isInstalled(name));
}

function isInstalled(name) {
  if (name.includes(".")) return inSystemdDirectory(`system/${name}`);
  return isOnPath(name) && (name !== "systemctl" || inSystemdDirectory("systemd"));
}

function inSystemdDirectory(path) {
  return ["/lib/systemd", "/usr/lib/systemd"].some((directory) => existsSync(join(directory, path)));
}

function isRoot() {
  return process.getuid?.() === 0;
}

/**
 * Installs missing programs where that is possible: as root, on Debian and its relatives.
 *
 * @param {(line: string) => void} say
 * @param {{ machines?: boolean, fullMachines?: boolean, browser?: boolean }} needs
 * @returns {string | undefined} what stands in the way, for a person; undefined when nothing is missing that the
 * tests cannot do without
 */
export function providePrograms(say, needs) {
  const missing = missingPrograms(needs);
  if (missing.length === 0) return undefined;
  if (!isOnPath("apt-get")) {
    return withoutOptional(missing, say, (left) => `missing on this host: ${left}. Please install them`);
  }
  const packages = packagesFor(missing);
  if (!isRoot()) {
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
  return withoutOptional(
    missingPrograms(needs),
    say,
    (left) => `apt-get could not provide ${left}: see above. It was asked for ${chosen.join(", ")}`,
  );
}

/** What `explain` makes of the missing programs, or undefined, and a word on it, when only some tests lack them. */
function withoutOptional(missing, say, explain) {
  const vital = missing.filter((program) => PACKAGES.has(program));
  if (vital.length > 0) return explain(missing.join(", "));
  const browser = missing.filter((program) => BROWSER_PACKAGES.has(program));
  if (browser.length > 0) say(`No browser here, its tests are skipped: ${explain(browser.join(", "))}`);
  const others = missing.filter((program) => !BROWSER_PACKAGES.has(program));
  if (others.length > 0) say(`No full machines here, their tests are skipped: ${explain(others.join(", "))}`);
  return undefined;
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
  return [...new Set(programs.map((program) => candidatesOf(program)[0] ?? packagesWith(program)[0]))].sort();
}

function packagesWith(program) {
  const lists = [PACKAGES, FULL_MACHINE_PACKAGES, BROWSER_PACKAGES];
  return lists.find((packages) => packages.has(program))?.get(program) ?? [];
}

/** Those of a program's packages that this release has. */
function candidatesOf(program) {
  return packagesWith(program).filter((name) => {
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
