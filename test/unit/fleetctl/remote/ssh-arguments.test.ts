import type { Endpoint } from "@fleet/api/client";
import { describe, expect, it } from "vitest";
import { FlagValues } from "../../../../packages/fleetctl/src/cli/flag.ts";
import { globalFlags } from "../../../../packages/fleetctl/src/cli/global-flags.ts";
import {
  type MachineSession,
  machineArguments,
  tunnelArguments,
} from "../../../../packages/fleetctl/src/remote/ssh-arguments.ts";
import { type SshSettings, sshSettings } from "../../../../packages/fleetctl/src/remote/ssh-settings.ts";

type Flags = Readonly<Record<string, string>>;

function settings(flags: Flags = {}, home = "/home/me"): SshSettings {
  return sshSettings(new FlagValues(globalFlags, new Map(Object.entries(flags))), { HOME: home });
}

const shell: MachineSession = {
  address: "10.0.0.1",
  port: undefined,
  forwardAgent: undefined,
  from: "user",
  words: [],
};

function machine(flags: Flags, session: Partial<MachineSession> = {}): string {
  return machineArguments(settings(flags), { ...shell, ...session }).join(" ");
}

const known = "-o UserKnownHostsFile=/home/me/.fleetctl/known_hosts ~/.ssh/known_hosts ~/.ssh/known_hosts2";
const unattended = "-T -a -x -o ClearAllForwardings=yes -o ServerAliveInterval=15";

describe("the global flags become options of ssh", () => {
  it.each<[flags: Flags, options: string]>([
    [{}, `-l core -o ConnectTimeout=10 ${known}`],
    [{ "ssh-username": "root" }, `-l root -o ConnectTimeout=10 ${known}`],
    [{ "ssh-timeout": "2.5" }, `-l core -o ConnectTimeout=3 ${known}`],
    [{ "ssh-timeout": "0.1" }, `-l core -o ConnectTimeout=1 ${known}`],
    [
      { "strict-host-key-checking": "true" },
      `-l core -o ConnectTimeout=10 ${known} -o StrictHostKeyChecking=ask`,
    ],
    [
      { "strict-host-key-checking": "false", "known-hosts-file": "/x" },
      "-l core -o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null " +
        "-o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR",
    ],
    [{ "known-hosts-file": "/x" }, "-l core -o ConnectTimeout=10 -o UserKnownHostsFile=/x"],
    [{ "known-hosts-file": "~/x" }, "-l core -o ConnectTimeout=10 -o UserKnownHostsFile=/home/me/x"],
    [
      { "known-hosts-file": '/a b/100%/"q"' },
      '-l core -o ConnectTimeout=10 -o UserKnownHostsFile="/a b/100%%/\\"q\\""',
    ],
  ])("%j", (flags, options) => {
    expect(machine(flags)).toBe(`${options} -- 10.0.0.1`);
  });
});

describe("a session on a machine", () => {
  const common = `-l core -o ConnectTimeout=10 ${known}`;

  it.each<[what: string, session: Partial<MachineSession>, options: string]>([
    ["has the port asked for", { port: 2222 }, `${common} -p 2222 -- 10.0.0.1`],
    ["forwards the agent", { forwardAgent: true }, `${common} -A -- 10.0.0.1`],
    ["does not, though configured", { forwardAgent: false }, `${common} -a -- 10.0.0.1`],
    ["takes an IPv6 address", { address: "fd00::1" }, `${common} -- fd00::1`],
    ["runs the user's words", { words: ["ls", "-la", "$HOME"] }, `${common} -- 10.0.0.1 ls -la $HOME`],
    [
      "runs fleetctl's own, word for word",
      { from: "fleetctl", words: ["systemctl", "status", "a\\x2db.service"] },
      `${common} ${unattended} -- 10.0.0.1 systemctl status 'a\\x2db.service'`,
    ],
  ])("%s", (_what, session, expected) => {
    expect(machine({}, session)).toBe(expected);
  });

  it.each([
    ["gate", "ssh -l core -o ConnectTimeout=10 -o UserKnownHostsFile=/x -T -a -x -W '[%h]:%p' -- gate"],
    [
      "ops@[fd00::1]:2222",
      "ssh -l ops -o ConnectTimeout=10 -o UserKnownHostsFile=/x -p 2222 -T -a -x -W '[%h]:%p' -- fd00::1",
    ],
  ])("goes through the tunnel %s with the same options", (tunnel, proxy) => {
    const flags = { tunnel, "known-hosts-file": "/x" };
    const args = machineArguments(settings(flags), shell);
    expect(args).toContain(`ProxyCommand=${proxy}`);
    expect(args.slice(-2)).toEqual(["--", "10.0.0.1"]);
  });

  it("keeps odd paths together in the tunnel's command line, where ssh replaces tokens", () => {
    const args = machineArguments(settings({ tunnel: "gate", "known-hosts-file": "/a b/%h" }), shell);
    expect(args.find((arg) => arg.startsWith("ProxyCommand="))).toContain(
      ` -o 'UserKnownHostsFile="/a b/%%%%h"' `,
    );
  });
});

describe("a connection through a tunnel", () => {
  const common = `-l core -o ConnectTimeout=10 ${known}`;

  it.each<[tunnel: string, endpoint: Endpoint, expected: string]>([
    [
      "gate",
      { kind: "tcp", secure: false, hostname: "127.0.0.1", port: 49153 },
      `${common} ${unattended} -W 127.0.0.1:49153 -- gate`,
    ],
    [
      "core@gate:2222",
      { kind: "tcp", secure: true, hostname: "fd00::1", port: 443 },
      `${common} -p 2222 ${unattended} -W [fd00::1]:443 -- gate`,
    ],
    [
      "gate",
      { kind: "unix", socketPath: "/var/run/fleet.sock" },
      `${common} ${unattended} -- gate fleetctl fd-forward /var/run/fleet.sock`,
    ],
    [
      "gate",
      { kind: "unix", socketPath: "/run/my fleet.sock" },
      `${common} ${unattended} -- gate fleetctl fd-forward '/run/my fleet.sock'`,
    ],
  ])("%s to %j", (tunnel, endpoint, expected) => {
    const given = settings({ tunnel });
    if (given.tunnel === undefined) throw new Error("no tunnel");
    expect(tunnelArguments(given, given.tunnel, endpoint).join(" ")).toBe(expected);
  });
});

describe("a tunnel that names no host", () => {
  it("is refused", () => {
    expect(() => settings({ tunnel: "gate:ssh" })).toThrow('--tunnel="gate:ssh": a port is a number');
  });
});
