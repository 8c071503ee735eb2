import { fork, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { errorCode, errorMessage, FleetError } from "@fleet/runtime";
import { z } from "zod";
import { Cluster } from "./cluster.ts";
import { labCommands } from "./commands.ts";
import { askLab, ControlServer } from "./control.ts";
import { labsRoot, ownerOf, runningLabs } from "./lab-directory.ts";

const DOWN_TIMEOUT_MS = 60_000;
const PROGRAM = fileURLToPath(new URL("../bin/lab.js", import.meta.url));

/** What the keeper of a lab tells the `up` that started it. */
const keeperMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("progress"), line: z.string() }),
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("failed"), message: z.string() }),
]);

const options = {
  help: { type: "boolean", short: "h" },
  name: { type: "string", default: process.env.FLEET_LAB ?? "lab" },
  machines: { type: "string", default: "3" },
  full: { type: "string", default: "0" },
  etcd: { type: "string", default: "1" },
  "agent-ttl": { type: "string", default: "5" },
} as const;

/** Runs `fleet-lab`. Exit code 0: done; 1: failed; 2: wrong usage. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const ownArgs = argv.slice(0, endOfOwnArguments(argv));
    const { values, positionals } = parseArgs({ args: ownArgs, options, allowPositionals: true });
    const [command, ...args] = [...positionals, ...argv.slice(ownArgs.length)];
    if (values.help === true || command === undefined || command === "help") {
      process.stdout.write(helpText());
      return command === undefined && values.help !== true ? 2 : 0;
    }
    const settings = {
      name: values.name,
      machines: readCount("machines", values.machines, 0),
      fullMachines: readCount("full", values.full, 0),
      etcdMembers: readCount("etcd", values.etcd, 1),
      agentTtlMs: 1_000 * readCount("agent-ttl", values["agent-ttl"], 2),
    };
    return await dispatch(command, args, settings);
  } catch (error) {
    process.stderr.write(`fleet-lab: ${errorMessage(error)}\n`);
    const wrongUsage = errorCode(error) === "lab_usage" || errorCode(error).startsWith("ERR_PARSE_ARGS");
    if (wrongUsage) process.stderr.write('"fleet-lab help" lists the commands\n');
    return wrongUsage ? 2 : 1;
  }
}

interface Settings {
  readonly name: string;
  readonly machines: number;
  readonly fullMachines: number;
  readonly etcdMembers: number;
  readonly agentTtlMs: number;
}

async function dispatch(command: string, args: readonly string[], settings: Settings): Promise<number> {
  switch (command) {
    case "up":
      return await up(settings);
    case "keep":
      return await keep(settings);
    case "down":
      return await down(settings.name);
    case "list":
      process.stdout.write(
        runningLabs()
          .map((name) => `${name}\n`)
          .join(""),
      );
      return 0;
    case "shell":
      return await shell(settings.name, args);
    default:
      process.stdout.write(await askLab(settings.name, command, args));
      return 0;
  }
}

/** Starts a keeper in the background, which owns the lab from then on, and waits until the lab is up. */
async function up(settings: Settings): Promise<number> {
  const keeper = fork(
    PROGRAM,
    [
      ...["keep", "--name", settings.name, "--machines", String(settings.machines)],
      ...["--full", String(settings.fullMachines)],
      ...["--etcd", String(settings.etcdMembers), "--agent-ttl", String(settings.agentTtlMs / 1_000)],
    ],
    { detached: true, stdio: ["ignore", "ignore", "ignore", "ipc"] },
  );
  const onInterrupt = (): void => {
    keeper.kill("SIGTERM");
  };
  process.on("SIGINT", onInterrupt);
  try {
    await new Promise<void>((resolve, reject) => {
      keeper.on("error", reject);
      keeper.on("exit", () => reject(new FleetError("lab_keeper", "the lab's keeper ended")));
      keeper.on("message", (value) => {
        const message = keeperMessage.parse(value);
        if (message.type === "progress") process.stderr.write(`${message.line}\n`);
        else if (message.type === "ready") resolve();
        else reject(new FleetError("lab_keeper", message.message));
      });
    });
  } finally {
    process.off("SIGINT", onInterrupt);
    keeper.removeAllListeners();
    if (keeper.connected) keeper.disconnect();
    keeper.unref();
  }
  process.stdout.write(await askLab(settings.name, "status", []));
  return 0;
}

/** Owns a lab until somebody asks for its end. */
async function keep(settings: Settings): Promise<number> {
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => ending.abort());
  try {
    const cluster = await Cluster.up({
      ...settings,
      onProgress: (line) => tell({ type: "progress", line }),
    });
    const control = await ControlServer.listen(cluster, () => ending.abort());
    tell({ type: "ready" });
    await untilAborted(ending.signal);
    control.close();
    await cluster.down();
    return 0;
  } catch (error) {
    tell({ type: "failed", message: errorMessage(error) });
    return 1;
  } finally {
    if (process.connected) process.disconnect();
  }
}

async function down(name: string): Promise<number> {
  const path = `${labsRoot()}/${name}`;
  const keeper = ownerOf(path);
  await askLab(name, "down", []);
  const deadline = performance.now() + DOWN_TIMEOUT_MS;
  while (keeper !== undefined && ownerOf(path) === keeper) {
    if (performance.now() > deadline) {
      throw new FleetError("lab_timeout", `the lab (process ${keeper}) does not end`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return 0;
}

/** An interactive shell, or a command, on a machine. Exit code is its own. */
async function shell(lab: string, args: readonly string[]): Promise<number> {
  const [machine, ...command] = args;
  if (machine === undefined) throw new FleetError("lab_usage", "which machine?");
  const entry = z
    .object({ command: z.array(z.string()), env: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await askLab(lab, "entry", [machine])));
  const [program = "nsenter", ...rest] = entry.command;
  const child = spawn(program, [...rest, ...(command.length === 0 ? ["bash"] : command)], {
    env: { TERM: process.env.TERM, ...entry.env },
    stdio: "inherit",
  });
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

/** The commands that have options of their own: "shell m1 ls -l", "add-machine --full". */
const WITH_OWN_OPTIONS: readonly string[] = ["shell", "add-machine"];

/** Where the arguments end that are for fleet-lab itself. */
function endOfOwnArguments(argv: readonly string[]): number {
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const first = tokens.find((token) => token.kind === "positional");
  return first !== undefined && WITH_OWN_OPTIONS.includes(first.value) ? first.index + 1 : argv.length;
}

function tell(message: z.output<typeof keeperMessage>): void {
  // An `up` that was interrupted no longer listens.
  if (process.connected) process.send?.(message, () => undefined);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
    // Nothing else may keep the process alive while every machine is off.
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener("abort", () => clearInterval(alive), { once: true });
  });
}

function readCount(name: string, text: string, least: number): number {
  const count = Number(text);
  if (!/^\d{1,3}$/.test(text) || count < least) {
    throw new FleetError("lab_usage", `--${name} is a number from ${least} to 999: "${text}"`);
  }
  return count;
}

function helpText(): string {
  const own: readonly (readonly [string, string])[] = [
    ["up [--machines 3] [--full 0] [--etcd 1]", "brings a lab up, in the background"],
    ["   [--agent-ttl 5]", "(--full: machines with a network of their own)"],
    ["down", "ends it and leaves nothing behind"],
    ["list", "names of the running labs"],
    ["shell MACHINE [COMMAND...]", "a shell, or a command, on a machine"],
  ];
  const others = [...labCommands]
    .filter(([, command]) => command.summary !== "")
    .map(([name, command]) => [`${name} ${command.usage}`.trim(), command.summary] as const);
  const lines = [...own, ...others].map(([usage, summary]) => `  ${usage.padEnd(46)} ${summary}\n`);
  return `fleet-lab: a cluster of real machines on this host\n\nUsage: fleet-lab [--name lab] COMMAND\n\n${lines.join("")}\nMACHINE is a name (m1) or the beginning of a machine id. Exit code: 0 done, 1 failed, 2 wrong usage.\n`;
}
