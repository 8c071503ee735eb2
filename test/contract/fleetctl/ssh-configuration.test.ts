import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FlagValues } from "../../../packages/fleetctl/src/cli/flag.ts";
import { globalFlags } from "../../../packages/fleetctl/src/cli/global-flags.ts";
import { machineArguments } from "../../../packages/fleetctl/src/remote/ssh-arguments.ts";
import { sshSettings } from "../../../packages/fleetctl/src/remote/ssh-settings.ts";

/** A user's configuration that has something to say about everything. */
const configuration = `
Host 10.0.0.1
  HostName machine.example.org
  Port 2200
  IdentityFile /keys/cluster
  ProxyJump jump.example.org
Host *
  User alice
  ConnectTimeout 77
  ForwardAgent yes
  StrictHostKeyChecking accept-new
  UserKnownHostsFile /alice/known_hosts
`;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetctl-ssh-"));
  await writeFile(join(directory, "config"), configuration);
});

afterAll(() => rm(directory, { recursive: true }));

/** What the real ssh would do, by its own word, for a session that fleetctl opens with these flags. */
async function effective(
  flags: Readonly<Record<string, string>>,
  session: { readonly port?: number; readonly forwardAgent?: boolean } = {},
): Promise<Readonly<Record<string, string>>> {
  const settings = sshSettings(new FlagValues(globalFlags, new Map(Object.entries(flags))), {
    HOME: "/home/me",
  });
  const args = machineArguments(settings, {
    address: "10.0.0.1",
    port: session.port,
    forwardAgent: session.forwardAgent,
    from: "user",
    words: [],
  });
  const { stdout } = await promisify(execFile)("ssh", ["-G", "-F", join(directory, "config"), ...args]);
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
  );
}

const hasSsh = spawnSync("ssh", ["-V"]).error === undefined;

describe.skipIf(!hasSsh)("beside the user's configuration of ssh (skipped without ssh)", () => {
  it("fleetctl's own defaults are kept, and the rest is the configuration's", async () => {
    expect(await effective({})).toMatchObject({
      user: "core",
      connecttimeout: "10",
      userknownhostsfile: expect.stringMatching(
        /^\/home\/me\/\.fleetctl\/known_hosts \S+\/\.ssh\/known_hosts /,
      ),
      hostname: "machine.example.org",
      port: "2200",
      identityfile: "/keys/cluster",
      proxyjump: "jump.example.org",
      forwardagent: "yes",
      stricthostkeychecking: "accept-new",
    });
  });

  it.each<[string, Parameters<typeof effective>, Readonly<Record<string, string>>]>([
    ["--ssh-username", [{ "ssh-username": "bob" }], { user: "bob" }],
    ["--ssh-port", [{}, { port: 2222 }], { port: "2222" }],
    ["--forward-agent=false", [{}, { forwardAgent: false }], { forwardagent: "no" }],
    ["--known-hosts-file", [{ "known-hosts-file": "/a b/%h" }], { userknownhostsfile: "/a b/%h" }],
    [
      "--strict-host-key-checking=true",
      [{ "strict-host-key-checking": "true" }],
      { stricthostkeychecking: "ask" },
    ],
    [
      "--strict-host-key-checking=false",
      [{ "strict-host-key-checking": "false" }],
      {
        stricthostkeychecking: "false",
        userknownhostsfile: "/dev/null",
        globalknownhostsfile: "/dev/null",
        loglevel: "ERROR",
      },
    ],
    [
      "--tunnel",
      [{ tunnel: "gate:2222", "known-hosts-file": "/hosts" }],
      {
        proxycommand:
          "ssh -l core -o ConnectTimeout=10 -o UserKnownHostsFile=/hosts -p 2222 -T -a -x -W '[%h]:%p' -- gate",
      },
    ],
  ])("%s is stronger", async (_flag, given, expected) => {
    expect(await effective(...given)).toMatchObject(expected);
  });
});
