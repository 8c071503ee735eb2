import type { Flag } from "../flag.ts";

export type CommandName =
  | "__complete"
  | "backup"
  | "cat"
  | "completion"
  | "confirm-loss"
  | "destroy"
  | "events"
  | "explain"
  | "fd-forward"
  | "help"
  | "import"
  | "journal"
  | "list-machines"
  | "list-unit-files"
  | "list-units"
  | "load"
  | "man"
  | "plan"
  | "reseed"
  | "restart"
  | "restore"
  | "ssh"
  | "start"
  | "status"
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
  /** Command lines without `fleetctl`, and what each does. */
  readonly examples?: readonly (readonly [commandLine: string, does: string])[];
  /** What its arguments are, for the completion of a command line; nothing when absent. */
  readonly takes?: readonly ArgumentKind[];
  /** Its arguments are a command line of their own: from the first on they are no flags of fleetctl. */
  readonly runsRest?: true;
  /** fleet 1.0 has no such command. */
  readonly isNew?: true;
  /** For programs: not shown in help. */
  readonly hidden?: true;
}

/** What an argument can be: `unit` is one that can be loaded, `template` one that cannot. */
export type ArgumentKind = "unit" | "template" | "file" | "machine" | "command" | "shell";
