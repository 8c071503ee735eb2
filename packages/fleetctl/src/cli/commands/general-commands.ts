import type { Command } from "./command.ts";

/** Commands about fleetctl itself. */
export const generalCommands: readonly Command[] = [
  {
    name: "help",
    usage: "[COMMAND]",
    summary: "Show a list of commands or help for one command",
    description: "",
    flags: [],
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
