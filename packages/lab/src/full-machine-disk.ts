import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { FleetError } from "@fleet/runtime";
import type { NetworkPlace } from "./lab-network.ts";
import { generateKey, SSH_USER } from "./lab-ssh.ts";

/** Where the machine finds this checkout, wherever it is on the host: it may lie in somebody's closed home. */
export const CHECKOUT_ON_MACHINE = "/opt/fleet";
/** Port of the API, on all addresses of the machine; the one that fleet's documentation uses. */
export const API_PORT = 49153;
export const SSHD_SERVICE = "lab-sshd.service";
export const HOST_KEY = "/etc/ssh/lab_host_key";

/** An own directory for units: whatever the host has in /etc/systemd/system/*.wants would be mixed into ours there. */
const UNITS = "/usr/local/lib/systemd/system";
/** What a boot may find due on a host that was just updated, and a machine that lives minutes has no use for. */
const MASKED = [
  "getty.target",
  "ldconfig.service",
  "systemd-firstboot.service",
  "systemd-hwdb-update.service",
  "systemd-journal-catalog-update.service",
  "systemd-tmpfiles-clean.timer",
  "systemd-update-done.service",
];

export interface DiskContents {
  /** Upper directory of the overlay. */
  readonly upper: string;
  readonly name: string;
  readonly machineId: string;
  readonly place: NetworkPlace;
  /** Line of authorized_keys for the user of ssh. */
  readonly authorizedKey: string;
  readonly checkout: string;
  /** A second unix socket for the API, in a directory that the host sees too. */
  readonly socketPath: string;
  /** File for what fleetd logs, in a directory that the host sees too. */
  readonly fleetdLog: string;
}

/** Writes what tells the machine from the host: identity, network, user, sshd and fleetd. */
export async function writeDisk(contents: DiskContents): Promise<void> {
  const disk = new Disk(contents.upper);
  writeIdentity(disk, contents);
  writeNetwork(disk, contents.place);
  writeUser(disk, contents.authorizedKey);
  await writeSshd(disk);
  writeFleet(disk, contents);
  for (const unit of MASKED) disk.link(`/etc/systemd/system/${unit}`, "/dev/null");
}

/** Makes the key by which ssh knows the machine; an old one is gone. `path` is the host's. */
export async function writeHostKey(path: string, name: string): Promise<void> {
  await generateKey(path, name);
}

class Disk {
  #upper: string;

  constructor(upper: string) {
    this.#upper = upper;
    // The machine's root directory: the overlay shows the mode of the upper one.
    chmodSync(upper, 0o755);
  }

  /** Where a path of the machine lies on the host. Its directory is there. */
  path(path: string): string {
    this.#directory(dirname(path));
    return join(this.#upper, path);
  }

  /** Makes a directory as it is on the host: an upper one hides the lower one's mode. */
  #directory(path: string): void {
    const onHost = join(this.#upper, path);
    if (existsSync(onHost)) return;
    this.#directory(dirname(path));
    mkdirSync(onHost);
    chmodSync(onHost, existsSync(path) ? statSync(path).mode & 0o7777 : 0o755);
  }

  write(path: string, text: string, mode = 0o644): void {
    writeFileSync(this.path(path), text);
    // Apart from the process's umask.
    chmodSync(this.path(path), mode);
  }

  link(path: string, target: string): void {
    symlinkSync(target, this.path(path));
  }
}

function writeIdentity(disk: Disk, { name, machineId, place }: DiskContents): void {
  disk.write("/etc/machine-id", `${machineId}\n`, 0o444);
  disk.write("/etc/hostname", `${name}\n`);
  disk.write("/etc/hosts", `127.0.0.1 localhost\n${place.address} ${name}\n`);
  disk.write("/etc/fstab", "");
  // A power cut loses it, and copying the host's own journal up into the overlay would be of no use to anybody.
  disk.write("/etc/systemd/journald.conf", "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n");
}

function writeNetwork(disk: Disk, place: NetworkPlace): void {
  disk.write(
    // systemd has an 80-container-host0.network of its own, and the first name that matches counts.
    "/etc/systemd/network/10-host0.network",
    `[Match]
Name=host0

[Network]
Address=${place.address}/24
Gateway=${place.hostAddress}
LinkLocalAddressing=no
IPv6AcceptRA=no
`,
  );
  enable(disk, "systemd-networkd.service", "multi-user.target");
  enable(disk, "systemd-networkd-wait-online.service", "network-online.target");
}

function writeUser(disk: Disk, authorizedKey: string): void {
  const { uid, home } = { uid: freeUid(), home: `/home/${SSH_USER}` };
  const without = (path: string): string =>
    readFileSync(path, "utf8").replaceAll(new RegExp(`^${SSH_USER}:.*\\n`, "gm"), "");
  disk.write("/etc/passwd", `${without("/etc/passwd")}${SSH_USER}:x:${uid}:${uid}::${home}:/bin/bash\n`);
  // "*" is no password at all; "!" would be a locked account, which sshd refuses whatever the key.
  disk.write("/etc/shadow", `${without("/etc/shadow")}${SSH_USER}:*:19000:0:99999:7:::\n`, 0o600);
  const groups = without("/etc/group").replace(/^(systemd-journal:.*:)(.*)$/m, (_, group, members) =>
    [group, ...[members, SSH_USER].filter((member) => member !== "").join(",")].join(""),
  );
  disk.write("/etc/group", `${groups}${SSH_USER}:x:${uid}:\n`);
  disk.write(
    `/etc/sudoers.d/${SSH_USER}`,
    `${SSH_USER} ALL=(root) NOPASSWD: /usr/bin/journalctl, /bin/journalctl, /usr/bin/systemctl, /bin/systemctl\n`,
    0o440,
  );
  disk.write(`${home}/.ssh/authorized_keys`, `${authorizedKey}\n`, 0o600);
  for (const path of [home, `${home}/.ssh`, `${home}/.ssh/authorized_keys`]) {
    chownSync(disk.path(path), uid, uid);
  }
  for (const path of [home, `${home}/.ssh`]) chmodSync(disk.path(path), 0o700);
}

async function writeSshd(disk: Disk): Promise<void> {
  disk.write(
    "/etc/ssh/lab_sshd_config",
    `HostKey ${HOST_KEY}
AllowUsers ${SSH_USER}
AuthenticationMethods publickey
AuthorizedKeysFile .ssh/authorized_keys
UsePAM no
PidFile none
`,
  );
  await writeHostKey(disk.path(HOST_KEY), "host");
  // Own files beside the distribution's, which differ in unit names, in socket activation, in what they include.
  disk.write(
    `${UNITS}/${SSHD_SERVICE}`,
    `[Unit]
After=network.target

[Service]
ExecStart=/usr/sbin/sshd -D -e -f /etc/ssh/lab_sshd_config
RuntimeDirectory=sshd
# Sessions outlive a restart, as with the distribution's.
KillMode=process
Restart=always
`,
  );
  enable(disk, SSHD_SERVICE, "multi-user.target");
}

/** As the README says how to install it, on top of the checkout. */
function writeFleet(disk: Disk, { checkout, socketPath, fleetdLog }: DiskContents): void {
  for (const program of ["fleetd", "fleetctl"]) {
    disk.link(`/usr/bin/${program}`, `${CHECKOUT_ON_MACHINE}/node_modules/.bin/${program}`);
  }
  for (const unit of ["fleet.service", "fleet.socket"]) {
    copyFileSync(join(checkout, "packages/fleetd/systemd", unit), disk.path(`/etc/systemd/system/${unit}`));
  }
  disk.write(
    "/etc/systemd/system/fleet.socket.d/lab.conf",
    `[Socket]\nListenStream=0.0.0.0:${API_PORT}\nListenStream=${socketPath}\nSocketGroup=${SSH_USER}\n`,
  );
  // The journal ends with the power; what a failed test shows of it must not. A service and not a program that the
  // host runs inside: nsenter stops along with such a one when systemd freezes what is left at a shutdown, never
  // reaps it, and systemd waits a minute and a half for it.
  disk.write(
    `${UNITS}/lab-log.service`,
    `[Unit]
Before=fleet.service

[Service]
ExecStart=journalctl --follow --lines=all --unit=fleet.service --output=cat
StandardOutput=append:${fleetdLog}
`,
  );
  enable(disk, "lab-log.service", "multi-user.target");
}

function enable(disk: Disk, unit: string, target: string): void {
  const path = [`/usr/lib/systemd/system/${unit}`, `/lib/systemd/system/${unit}`].find(existsSync);
  disk.link(`${UNITS}/${target}.wants/${unit}`, path ?? `../${unit}`);
}

function freeUid(): number {
  const taken = new Set(
    ["/etc/passwd", "/etc/group"].flatMap((path) =>
      readFileSync(path, "utf8")
        .split("\n")
        .map((line) => Number(line.split(":")[2])),
    ),
  );
  for (let uid = 1_000; uid < 60_000; uid += 1) if (!taken.has(uid)) return uid;
  throw new FleetError("lab_boot", "no user id is free on this host");
}
