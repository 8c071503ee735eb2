import type { Command } from "../cli/commands/command.ts";
import { commands, findCommand } from "../cli/commands/commands.ts";
import type { Flag } from "../cli/flag.ts";
import { globalFlags } from "../cli/global-flags.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { VERSION } from "../version.ts";

export async function help(call: Invocation): Promise<number> {
  const [word, ...more] = call.args;
  if (more.length > 0) throw new CommandFailure("help takes the name of one command");
  call.print(word === undefined ? globalHelp() : commandHelp(word));
  return 0;
}

export function globalHelp(): string {
  const listed = commands.map((command) => [command.name, command.summary] as const);
  return sections([
    ["NAME", ["fleetctl - the command line of fleet, a cluster scheduler for systemd"]],
    ["USAGE", ["fleetctl [global options] <command> [command options] [arguments...]"]],
    ["VERSION", [VERSION]],
    ["COMMANDS", aligned(listed)],
    ["GLOBAL OPTIONS", flagLines(globalFlags)],
    [
      undefined,
      [
        "Global options can also be set in the environment: --request-timeout is FLEETCTL_REQUEST_TIMEOUT.",
        "A command may be shortened as long as no other begins the same (list-m).",
        'Run "fleetctl help <command>" for more details on a specific command.',
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
      ],
    ],
  ]);
}

/** Throws UsageError for a command there is not, CommandFailure for one this version lacks. */
export function commandHelp(word: string): string {
  const command = findCommand(word);
  return sections([
    ["NAME", [`${command.name} - ${command.summary}`]],
    ["USAGE", [usageLine(command)]],
    ["DESCRIPTION", command.description.split("\n")],
    ["OPTIONS", flagLines(command.flags)],
    [undefined, ['Global options apply as well: see "fleetctl help".']],
  ]);
}

function usageLine({ name, usage }: Command): string {
  return `fleetctl ${name} ${usage}`.trimEnd();
}

function flagLines(flags: readonly Flag[]): readonly string[] {
  return aligned(
    flags.filter((flag) => flag.hidden !== true).map((flag) => [flagForm(flag), flag.help] as const),
  );
}

function flagForm({ name, short, kind, fallback }: Flag): string {
  const long = `--${name}=${kind === "text" && fallback === "" ? "..." : fallback}`;
  return short === undefined ? long : `-${short}, ${long}`;
}

function aligned(pairs: readonly (readonly [string, string])[]): readonly string[] {
  const width = pairs.reduce((widest, [left]) => Math.max(widest, left.length), 0);
  return pairs.map(([left, right]) => `${left.padEnd(width)}  ${right}`.trimEnd());
}

function sections(parts: readonly (readonly [string | undefined, readonly string[]])[]): string {
  return `${parts
    .filter(([, lines]) => lines.some((line) => line !== ""))
    .map(([title, lines]) =>
      title === undefined ? lines.join("\n") : `${title}:\n${lines.map((line) => `    ${line}`).join("\n")}`,
    )
    .join("\n\n")}\n`;
}
