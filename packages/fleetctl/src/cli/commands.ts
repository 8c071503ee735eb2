import { type Flag, UsageError } from "./flag.ts";
import { notAvailable, refuseNotAvailable } from "./not-available.ts";

export type CommandName =
  | "cat"
  | "destroy"
  | "help"
  | "list-machines"
  | "list-unit-files"
  | "list-units"
  | "load"
  | "start"
  | "stop"
  | "submit"
  | "unload"
  | "verify"
  | "version";

export interface Command {
  readonly name: CommandName;
  /** What follows the name in its usage line. */
  readonly usage: string;
  readonly summary: string;
  /** Further lines of its help. */
  readonly description: string;
  readonly flags: readonly Flag[];
}

const noBlock: Flag = {
  name: "no-block",
  kind: "switch",
  fallback: "false",
  help: "Do not wait until the units have reached the state: return once the request is accepted",
};
const blockAttempts: Flag = {
  name: "block-attempts",
  kind: "count",
  fallback: "0",
  help: "Wait until the units have reached the state, for at most this many polls of 0.5 s. 0 waits without limit",
};
const replace: Flag = {
  name: "replace",
  kind: "switch",
  fallback: "false",
  help: "Replace the unit in the cluster when the local unit file differs from it",
};
const sign: Flag = { name: "sign", kind: "switch", fallback: "false", help: "", hidden: true };
const noLegend: Flag = {
  name: "no-legend",
  kind: "switch",
  fallback: "false",
  help: "Do not print column headers",
};
const full: Flag = {
  name: "full",
  short: "l",
  kind: "switch",
  fallback: "false",
  help: "Do not ellipsize fields on output",
};

function fields(fallback: string, known: string): Flag {
  return {
    name: "fields",
    kind: "text",
    fallback,
    help: `Columns to print, comma-separated. Known: ${known}`,
  };
}

export const commands: readonly Command[] = [
  {
    name: "cat",
    usage: "UNIT",
    summary: "Output the contents of a submitted unit",
    description: "Prints the unit file exactly as the cluster holds it.",
    flags: [],
  },
  {
    name: "destroy",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Destroy one or more units in the cluster",
    description:
      "Removes the units from the cluster, running ones included, and waits until their machines have\nstopped and unloaded them. Destroyed units cannot be started again without submitting them anew.",
    flags: [noBlock, blockAttempts],
  },
  {
    name: "help",
    usage: "[COMMAND]",
    summary: "Show a list of commands or help for one command",
    description: "",
    flags: [],
  },
  {
    name: "list-machines",
    usage: "[-l|--full] [--no-legend] [--fields=F,...]",
    summary: "Enumerate the current hosts in the cluster",
    description: "Lists the machines whose fleetd is present, with their address and metadata.",
    flags: [fields("machine,ip,metadata", "machine, ip, metadata"), full, noLegend],
  },
  {
    name: "list-unit-files",
    usage: "[-l|--full] [--no-legend] [--fields=F,...]",
    summary: "List the units that exist in the cluster",
    description: "Lists every submitted unit with its desired and its current state.",
    flags: [
      fields("unit,hash,dstate,state,target", "unit, hash, desc, dstate, state, target, tmachine, global"),
      full,
      noLegend,
    ],
  },
  {
    name: "list-units",
    usage: "[-l|--full] [--no-legend] [--fields=F,...]",
    summary: "List the current state of units in the cluster",
    description: "Lists what systemd reports: one row for each unit and machine.",
    flags: [fields("unit,machine,active,sub", "unit, load, active, sub, machine, hash"), full, noLegend],
  },
  {
    name: "load",
    usage: "[--replace] [--no-block|--block-attempts=N] UNIT...",
    summary: "Schedule one or more units in the cluster, first submitting them if necessary",
    description: "Each unit is placed on a machine and loaded into its systemd, without being started.",
    flags: [replace, noBlock, blockAttempts, sign],
  },
  {
    name: "start",
    usage: "[--replace] [--no-block|--block-attempts=N] UNIT...",
    summary:
      "Instruct systemd to start one or more units in the cluster, first submitting and loading if necessary",
    description:
      "Waits until each unit is active. Exits 0 as well when a unit is still activating 2 s after systemd was\nasked to start it, and when it has finished already; exits 1 when it failed.\nAs for systemctl, a unit of Type=simple is active as soon as its process has begun.",
    flags: [replace, noBlock, blockAttempts, sign],
  },
  {
    name: "stop",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Instruct systemd to stop one or more units in the cluster",
    description: "The units stay loaded on their machines.",
    flags: [noBlock, blockAttempts],
  },
  {
    name: "submit",
    usage: "[--replace] UNIT...",
    summary: "Upload one or more units to the cluster without starting them",
    description:
      "Each unit is validated and stored. Submitted units can be loaded and started by their name.",
    flags: [replace, sign],
  },
  {
    name: "unload",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Unschedule one or more units in the cluster",
    description: "The units are stopped and leave their machines; they stay submitted.",
    flags: [noBlock, blockAttempts],
  },
  {
    name: "verify",
    usage: "UNIT",
    summary: "DEPRECATED - no longer works",
    description: "Signed units are no longer supported.",
    flags: [],
  },
  {
    name: "version",
    usage: "",
    summary: "Print the version and exit",
    description: "",
    flags: [],
  },
];

/**
 * The command a word names: its name, with underscores for dashes if one likes, or a beginning that no other
 * command shares. Throws UsageError, and CommandFailure for a command of fleet that this version lacks.
 */
export function findCommand(word: string): Command {
  const name = fullName(word.replaceAll("_", "-"), word);
  refuseNotAvailable(name);
  const command = commands.find((each) => each.name === name);
  if (command === undefined) throw new UsageError(`unknown command "${word}"`);
  return command;
}

function fullName(beginning: string, word: string): string {
  const names = [...commands.map((command) => command.name), ...notAvailable];
  if (names.includes(beginning)) return beginning;
  const matching = names.filter((name) => name.startsWith(beginning)).sort();
  if (matching.length > 1) throw new UsageError(`command "${word}" is ambiguous: ${matching.join(", ")}`);
  return matching[0] ?? beginning;
}
