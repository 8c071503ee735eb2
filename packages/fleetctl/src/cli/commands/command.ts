import type { Flag } from "../flag.ts";

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
