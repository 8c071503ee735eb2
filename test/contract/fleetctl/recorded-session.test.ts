import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machinePatchShape } from "@fleet/api";
import { FleetClient } from "@fleet/api/client";
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from "vitest";
import { acceleratedClock, fleetctl, type Outcome } from "./command-line.ts";
import { changesOf, type Exchange, Replay, readSession, replayServer } from "./replay.ts";

const recording = new URL("../../fixtures/recorded-session.jsonl", import.meta.url);

let session: readonly Exchange[];
let replay: Replay;
let server: Server;
let endpoint: string;
let directory: string;
let environment: Readonly<Record<string, string>>;

/** What the ssh of these tests ends with, as the command on the machine would. */
const SSH_CODE = 3;

beforeAll(async () => {
  session = await readSession(recording);
  server = replayServer(() => replay);
  directory = await mkdtemp(join(tmpdir(), "fleetctl-"));
  const socketPath = join(directory, "fleet.sock");
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  endpoint = `unix://${socketPath}`;
  // An ssh that only notes, one per line, what it was given.
  const script = `#!/bin/sh\nprintf '%s\\n' "$@" > "$HOME/ssh-arguments"\nexit ${SSH_CODE}\n`;
  await writeFile(join(directory, "ssh"), script, { mode: 0o755 });
  environment = { PATH: `${directory}:${process.env.PATH ?? ""}`, HOME: directory };
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

type Files = Readonly<Record<string, string>>;

/** What was asked and answered for a command line. */
function exchangesOf(source: Exchange["source"], cmd: string): readonly Exchange[] {
  const exchanges = session.filter((exchange) => exchange.source === source && exchange.cmd === cmd);
  expect(exchanges).not.toEqual([]);
  return exchanges;
}

/** Runs a command line of fleet's client with ours, over what its client was answered. */
async function replayed(source: Exchange["source"], cmd: string, files: Files = {}): Promise<Outcome> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  replay = new Replay(exchangesOf(source, cmd), session);
  const args = cmd.split(" ").map((word) => (word in files ? join(directory, word) : word));
  return await fleetctl(endpoint, args, { clock: acceleratedClock(20), environment });
}

const sleeper = "[Unit]\nDescription=sleeper\n[Service]\nExecStart=/bin/sleep infinity\n";
const nice = `${sleeper}Nice=5\n`;
const global = `${sleeper}[X-Fleet]\nGlobal=true\n`;
const on1 = "on abcd0001.../127.0.0.1";
const on2 = "on abcd0002.../127.0.0.1";

type Case = readonly [cmd: string, files: Files, stdout: string];

const recorded: readonly Case[] = [
  [
    "list-machines",
    {},
    "MACHINE\t\tIP\t\tMETADATA\nabcd0001...\t127.0.0.1\tn=1\nabcd0002...\t127.0.0.1\tn=2\n",
  ],
  ["submit s.service", { "s.service": sleeper }, "Unit s.service inactive\n"],
  ["load s.service", { "s.service": sleeper }, `Unit s.service loaded ${on1}\n`],
  ["start s.service", { "s.service": sleeper }, `Unit s.service launched ${on1}\n`],
  ["stop s.service", {}, `Unit s.service loaded ${on1}\n`],
  ["unload s.service", {}, "Unit s.service inactive\n"],
  ["cat s.service", {}, "[Unit]\nDescription=sleeper\n\n[Service]\nExecStart=/bin/sleep infinity\n"],
  ["destroy s.service", {}, "Destroyed s.service\n"],
  ["submit t@.service", { "t@.service": sleeper }, "Unit t@.service inactive\n"],
  ["start t@1.service", {}, `Unit t@1.service inactive\nUnit t@1.service launched ${on1}\n`],
  ["start --no-block t@2.service", {}, "Unit t@2.service inactive\nTriggered unit t@2.service start\n"],
  ["start g.service", { "g.service": global }, "Unit g.service inactive\n"],
  ["start --replace t@1.service", { "t@1.service": nice }, `Unit t@1.service launched ${on1}\n`],
  [
    "destroy t@1.service t@2.service g.service t@.service",
    {},
    "Destroyed t@1.service\nDestroyed t@2.service\nDestroyed g.service\nDestroyed t@.service\n",
  ],
];

const hash = "50b28ccdd44cfaa19f142f33235f9848b2f25d66";
const globalHash = "af0e6e5d1e724c0950edde034ed111c34deb376f";
const m1 = "abcd0001000000000000000000000001/127.0.0.1";
const m2 = "abcd0002000000000000000000000002/127.0.0.1";

const reconstructed: readonly Case[] = [
  ["load a.service", { "a.service": sleeper }, `Unit a.service inactive\nUnit a.service loaded ${on1}\n`],
  ["submit b.service", { "b.service": sleeper }, "Unit b.service inactive\n"],
  ["submit --replace b.service", { "b.service": nice }, "Unit b.service inactive\n"],
  ["load --replace b.service", { "b.service": sleeper }, `Unit b.service loaded ${on2}\n`],
  ["load t@3.service", {}, `Unit t@3.service inactive\nUnit t@3.service loaded ${on1}\n`],
  ["start a.service b.service", {}, `Unit a.service launched ${on1}\nUnit b.service launched ${on2}\n`],
  [
    "list-units",
    {},
    [
      "UNIT\t\tMACHINE\t\t\tACTIVE\t\tSUB",
      "a.service\tabcd0001.../127.0.0.1\tactive\t\trunning",
      "b.service\tabcd0002.../127.0.0.1\tactive\t\trunning",
      "g.service\tabcd0001.../127.0.0.1\tactive\t\trunning",
      "g.service\tabcd0002.../127.0.0.1\tactive\t\trunning",
      "t@3.service\tabcd0001.../127.0.0.1\tinactive\tdead",
      "",
    ].join("\n"),
  ],
  [
    "list-units --full --no-legend --fields=unit,machine,load,active,sub,hash",
    {},
    [
      `a.service\t${m1}\tloaded\tactive\t\trunning\t${hash}`,
      `b.service\t${m2}\tloaded\tactive\t\trunning\t${hash}`,
      `g.service\t${m1}\tloaded\tactive\t\trunning\t${globalHash}`,
      `g.service\t${m2}\tloaded\tactive\t\trunning\t${globalHash}`,
      `t@3.service\t${m1}\tloaded\tinactive\tdead\t${hash}`,
      "",
    ].join("\n"),
  ],
  [
    "list-units --no-legend --fields=unit,active",
    {},
    "a.service\tactive\nb.service\tactive\ng.service\tactive\ng.service\tactive\nt@3.service\tinactive\n",
  ],
  [
    "list-unit-files",
    {},
    [
      "UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET",
      `a.service\t50b28cc\tlaunched\tlaunched\tabcd0001.../127.0.0.1`,
      `b.service\t50b28cc\tlaunched\tlaunched\tabcd0002.../127.0.0.1`,
      `g.service\t${globalHash.slice(0, 7)}\tlaunched\t-\t\tglobal`,
      `t@.service\t50b28cc\tinactive\tinactive\t-`,
      `t@3.service\t50b28cc\tloaded\t\tloaded\t\tabcd0001.../127.0.0.1`,
      "",
    ].join("\n"),
  ],
  [
    "list-unit-files --full --no-legend --fields=unit,hash,dstate,state,target,desc,global",
    {},
    [
      `a.service\t${hash}\tlaunched\tlaunched\t${m1}\tsleeper\tfalse`,
      `b.service\t${hash}\tlaunched\tlaunched\t${m2}\tsleeper\tfalse`,
      `g.service\t${globalHash}\tlaunched\t-\t\tglobal\t\t\t\t\t\tsleeper\ttrue`,
      `t@.service\t${hash}\tinactive\tinactive\t-\t\t\t\t\t\tsleeper\tfalse`,
      `t@3.service\t${hash}\tloaded\t\tloaded\t\t${m1}\tsleeper\tfalse`,
      "",
    ].join("\n"),
  ],
  [
    "list-unit-files --no-legend --fields=unit,dstate",
    {},
    "a.service\tlaunched\nb.service\tlaunched\ng.service\tlaunched\nt@.service\tinactive\nt@3.service\tloaded\n",
  ],
  [
    "list-machines --full --no-legend --fields=machine,metadata",
    {},
    "abcd0001000000000000000000000001\tn=1\nabcd0002000000000000000000000002\tn=2\n",
  ],
  ["cat b.service", {}, "[Unit]\nDescription=sleeper\n\n[Service]\nExecStart=/bin/sleep infinity\n"],
  ["submit t@.service", { "t@.service": sleeper }, "Unit t@.service inactive\n"],
  ["start g.service", { "g.service": global }, "Unit g.service inactive\n"],
  ["restart a.service", {}, `Unit a.service loaded ${on1}\nUnit a.service launched ${on1}\n`],
  [
    "list-machines",
    {},
    "MACHINE\t\tIP\t\tMETADATA\nabcd0001...\t127.0.0.1\tn=1,region=eu\nabcd0002...\t127.0.0.1\tn=two\n",
  ],
  ["stop --no-block a.service", {}, "Triggered unit a.service stop\n"],
  ["unload --no-block b.service", {}, "Triggered unit b.service unload\n"],
  ["destroy --no-block a.service", {}, "Destroyed a.service\n"],
  [
    "destroy b.service g.service t@3.service t@.service",
    {},
    "Destroyed b.service\nDestroyed g.service\nDestroyed t@3.service\nDestroyed t@.service\n",
  ],
];

const patching = "curl -X PATCH machines";
/** Commands of tests that are not in the tables. */
const elsewhere = [
  patching,
  "status nope.service",
  "status a.service",
  "status t@.service",
  "journal --lines 20 b.service",
  "journal g.service",
  "ssh --machine abcd0002 true",
  "ssh --unit b.service true",
  "ssh abcd0002 true",
  "ssh a.service true",
  "start nope.service",
  "restart t@.service",
];

describe.each([
  ["recorded", recorded],
  ["reconstructed", reconstructed],
] as const)("the %s answers of fleet 1.0", (source, cases) => {
  it.each(cases)("lead %s to fleet's own lines, and to its own changes", async (cmd, files, stdout) => {
    const outcome = await replayed(source, cmd, files);
    expect(outcome.stdout).toBe(stdout);
    expect(outcome.code).toBe(0);
    expect(replay.changes).toEqual(changesOf(exchangesOf(source, cmd)));
  });
});

describe("what takes ssh", () => {
  const sshArguments = (): string => join(directory, "ssh-arguments");

  beforeEach(async () => {
    await rm(sshArguments(), { force: true });
  });

  it.each<readonly [cmd: string, command: string]>([
    ["status a.service", "systemctl status -l a.service"],
    ["journal --lines 20 b.service", "journalctl --unit b.service --no-pager -n 20 --output short"],
    ["ssh --machine abcd0002 true", "true"],
    ["ssh --unit b.service true", "true"],
    ["ssh abcd0002 true", "true"],
    ["ssh a.service true", "true"],
  ])("%s runs it on the machine, whose exit code it passes on", async (cmd, command) => {
    const { code } = await replayed("reconstructed", cmd);
    const words = (await readFile(sshArguments(), "utf8")).trimEnd().split("\n");
    const host = words.findIndex((word) => word.endsWith("127.0.0.1"));
    expect([words.slice(host + 1).join(" "), code]).toEqual([command, SSH_CODE]);
  });

  it.each<readonly [source: Exchange["source"], cmd: string, stderr: string]>([
    ["recorded", "status nope.service", "Unit nope.service does not exist."],
    ["reconstructed", "status t@.service", "Unit t@.service does not appear to be loaded."],
    ["reconstructed", "journal g.service", "Unable to retrieve journal of global unit g.service."],
  ])("%s: %s has no machine to go to", async (source, cmd, stderr) => {
    const outcome = await replayed(source, cmd);
    expect(outcome).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(stderr) });
    expect(existsSync(sshArguments())).toBe(false);
  });
});

describe("what fails", () => {
  it.each<readonly [source: Exchange["source"], cmd: string, stderr: string]>([
    ["recorded", "start nope.service", "unable to find Unit(nope.service) in Registry or on filesystem"],
    ["reconstructed", "restart t@.service", "Unable to restart unit t@.service in state inactive"],
  ])("%s: %s", async (source, cmd, stderr) => {
    const outcome = await replayed(source, cmd);
    expect(outcome).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(stderr) });
    expect(replay.changes).toEqual([]);
  });
});

test("PATCH /machines, for which fleet 1.0 has no command, gets our client the same answers", async () => {
  const patches = exchangesOf("reconstructed", patching).filter(({ method }) => method === "PATCH");
  expect(patches).toHaveLength(5);
  const client = new FleetClient({
    endpoint: { kind: "unix", socketPath: endpoint.replace("unix://", "") },
    requestTimeoutMs: 5_000,
  });
  for (const patch of patches) {
    replay = new Replay([patch], session);
    const sent = client.patchMachines(machinePatchShape.parse(JSON.parse(patch.body ?? "")));
    if (patch.status === 204) await sent;
    else await expect(sent).rejects.toMatchObject({ status: patch.status });
    expect(replay.changes).toEqual(changesOf([patch]));
  }
  client.close();
});

test("every command of the session is replayed here", () => {
  const inTables = [...recorded, ...reconstructed].map(([cmd]) => cmd);
  const known = new Set([...inTables, ...elsewhere]);
  expect(session.map(({ cmd }) => cmd).filter((cmd) => !known.has(cmd))).toEqual([]);
});

describe("the recorded answers of fleet 1.0", () => {
  /** The n-th time a listing was asked for; each took one request of its own, and most one for the machines. */
  function listing(cmd: string, resource: string, time: number): Replay {
    const answers = exchangesOf("recorded", cmd).filter(({ path }) => path === `/fleet/v1/${resource}`);
    return new Replay(answers.slice(time, time + 1), session);
  }

  it("list nothing as nothing", async () => {
    replay = listing("list-units", "state", 0);
    expect((await fleetctl(endpoint, ["list-units", "--no-legend"])).stdout).toBe("");
    replay = listing("list-unit-files", "units", 0);
    expect((await fleetctl(endpoint, ["list-unit-files"])).stdout).toBe(
      "UNIT\tHASH\tDSTATE\tSTATE\tTARGET\n",
    );
  });

  it("list units and unit files", async () => {
    replay = listing("list-units", "state", 2);
    expect((await fleetctl(endpoint, ["list-units", "--no-legend"])).stdout).toBe(
      "t@1.service\tabcd0001.../127.0.0.1\tactive\trunning\n",
    );
    replay = listing("list-unit-files", "units", 2);
    const { stdout } = await fleetctl(endpoint, [
      "list-unit-files",
      "--fields=unit,dstate,state,target",
      "--no-legend",
    ]);
    expect(stdout).toContain("g.service\tlaunched\t-\t\tglobal\n");
    expect(stdout).toContain("t@.service\tinactive\tinactive\t-\n");
    expect(stdout).toContain("t@1.service\tlaunched\tlaunched\tabcd0001.../127.0.0.1\n");
  });
});
