import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import type { ClientMachine } from "@fleet/api/client";
import { CommandFailure } from "../failure.ts";
import { codeOfSignal, signalOf } from "../interrupt.ts";
import type { Invocation } from "../invocation.ts";
import { machineIdLegend } from "../output/machine-legend.ts";
import { makeKnownHostsDirectory } from "./known-hosts-directory.ts";
import { type Program, runProgram } from "./run-program.ts";
import { shellLine } from "./shell-words.ts";
import { type MachineSession, machineArguments } from "./ssh-arguments.ts";
import { isHost, isPort } from "./ssh-destination.ts";
import { type SshSettings, sshSettings } from "./ssh-settings.ts";
import { sshTrouble } from "./ssh-trouble.ts";

/** ssh's exit code for failures of its own. */
const SSH_FAILED = 255;

/** What to run on a machine: see MachineSession. */
export type RemoteWork = Pick<MachineSession, "from" | "words"> & { readonly forwardAgent?: boolean };

/**
 * Runs something on a machine, over ssh unless fleetctl runs on that machine itself and no tunnel leads elsewhere.
 * Resolves to its exit code; 255 may be ssh's own, which is then explained on stderr.
 */
export async function runOnMachine(
  call: Invocation,
  machine: ClientMachine,
  work: RemoteWork,
): Promise<number> {
  const settings = sshSettings(call.flags, call.environment);
  const session = sessionOn(call, machine, work);
  if (await isHere(call, settings, machine, work)) return await runHere(call, machine, work);
  makeKnownHostsDirectory(settings, call.say);
  const program: Program = {
    command: "ssh",
    args: machineArguments(settings, session),
    environment: call.environment,
    stdin: work.from === "user" ? "inherit" : "ignore",
    relay: call.relay,
    signal: call.signal,
    // ssh ends at the first signal, so that a second one does no harm.
    hearsCtrlC: false,
  };
  sayCommand(call, program);
  const { code, stderr } = await runProgram(program);
  if (code !== SSH_FAILED) return code;
  if (call.signal.aborted) return codeOfSignal(signalOf(call.signal));
  explain(call, settings, session, stderr);
  return code;
}

function sessionOn(
  call: Invocation,
  { id, primaryIP = "" }: ClientMachine,
  work: RemoteWork,
): MachineSession {
  if (primaryIP === "") {
    throw new CommandFailure("Could not determine address of machine.", {
      hints: [`Machine ${id} publishes none: public_ip in its fleet.conf sets it.`],
    });
  }
  if (!isHost(primaryIP)) {
    throw new CommandFailure(`Machine ${id} publishes an address that is none: ${JSON.stringify(primaryIP)}`);
  }
  const port = call.flags.given("ssh-port") ? call.flags.text("ssh-port") : undefined;
  if (port !== undefined && !isPort(port)) {
    throw new CommandFailure(`--ssh-port=${port}: a port is a number between 1 and 65535`);
  }
  return {
    address: primaryIP,
    port: port === undefined ? undefined : Number(port),
    forwardAgent: undefined,
    ...work,
  };
}

/** Whether the machine is this one, and nothing was asked for that takes ssh: another user, a port, the agent. */
async function isHere(
  call: Invocation,
  { tunnel }: SshSettings,
  { id }: ClientMachine,
  { from, forwardAgent }: RemoteWork,
): Promise<boolean> {
  if (tunnel !== undefined) return false;
  const asksForSsh =
    call.flags.given("ssh-username") || call.flags.given("ssh-port") || forwardAgent !== undefined;
  if (from === "user" && asksForSsh) return false;
  const own = await readFile("/etc/machine-id", "utf8").catch(() => "");
  return own.trim() === id;
}

async function runHere(
  call: Invocation,
  machine: ClientMachine,
  { from, words }: RemoteWork,
): Promise<number> {
  const { environment, signal, isTerminal } = call;
  const common = { environment, signal, hearsCtrlC: isTerminal.stdout || isTerminal.stderr };
  const [command = "", ...args] = words;
  // No pager: over ssh there is none either.
  const quiet = { ...environment, SYSTEMD_PAGER: "" };
  const program: Program =
    from === "fleetctl"
      ? { ...common, command, args, environment: quiet, stdin: "ignore" }
      : { ...common, ...shellHere(environment, words), stdin: "inherit" };
  sayCommand(call, program);
  if (from === "user" && words.length === 0) {
    call.say(`This is machine ${machineIdLegend(machine.id, false)}: opening a shell without ssh.`);
  }
  return (await runProgram(program)).code;
}

/** What sshd would start: the user's shell, at home. */
function shellHere(
  environment: Invocation["environment"],
  words: readonly string[],
): Pick<Program, "command" | "args" | "directory"> {
  const home = environment.HOME ?? homedir();
  return {
    command: environment.SHELL || "/bin/sh",
    args: words.length === 0 ? ["-l"] : ["-c", words.join(" ")],
    ...(existsSync(home) ? { directory: home } : {}),
  };
}

function sayCommand(call: Invocation, { command, args }: Program): void {
  if (call.flags.on("debug")) call.say(`Running: ${shellLine([command, ...args])}`);
}

function explain(call: Invocation, settings: SshSettings, session: MachineSession, stderr: string): void {
  const hints = sshTrouble(stderr, {
    user: settings.user,
    host: session.address,
    port: session.port,
    knownHostsFile: settings.hostKeys.check ? settings.hostKeys.files[0] : undefined,
  });
  if (hints.length > 0) call.say(`ssh to ${session.address} failed:`);
  else call.say("Exit code 255: ssh has failed, or the command on the machine ended with it.");
  for (const hint of hints) call.say(`  ${hint}`);
}
