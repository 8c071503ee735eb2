import type { Command } from "./command.ts";

/** Commands about fleetctl itself. */
export const generalCommands: readonly Command[] = [
  {
    name: "completion",
    usage: "bash|zsh|fish",
    summary: "Print a script that completes command lines in a shell",
    description:
      "The script completes commands, flags, and the names of units and machines, which it asks the cluster for: it does without them when no answer comes within a second.",
    flags: [],
    takes: ["shell"],
    examples: [
      ["completion bash > /etc/bash_completion.d/fleetctl", "Complete in every bash from now on"],
      ["completion zsh > /usr/local/share/zsh/site-functions/_fleetctl", "The same for zsh"],
      ["completion fish > ~/.config/fish/completions/fleetctl.fish", "The same for fish"],
    ],
    isNew: true,
  },
  {
    name: "__complete",
    usage: "-- WORD...",
    summary: "Complete the last of the words",
    description: "",
    flags: [],
    isNew: true,
    hidden: true,
  },
  {
    name: "help",
    usage: "[COMMAND]",
    summary: "Show a list of commands or help for one command",
    description: "",
    flags: [],
    takes: ["command"],
    examples: [["help start", "Show what start does, and its flags"]],
  },
  {
    name: "confirm-loss",
    usage: "[--yes]",
    summary: "Say that the machines of a mass loss are lost, so that their units are placed elsewhere",
    description:
      "When more than a stated share of the machines vanish at the same time (mass_loss_share in fleet.conf), the cluster places nothing of what they ran elsewhere: rather the network is broken than all of them. What comes back keeps its units. This lists the machines that are away and, with --yes, gives them up: what they ran is placed elsewhere. What still runs there runs twice until they come back.",
    flags: [
      {
        name: "yes",
        kind: "switch",
        fallback: "false",
        help: "Do it. Without this flag nothing is changed",
      },
    ],
    examples: [
      ["confirm-loss", "List the machines that vanished together and are held for"],
      ["confirm-loss --yes", "Have their units placed elsewhere"],
    ],
    isNew: true,
  },
  {
    name: "man",
    usage: "[COMMAND]",
    summary: "Print the manual page of fleetctl, or of one command",
    description: "Prints the source of the page (roff); man shows it when it is piped to it.",
    flags: [],
    takes: ["command"],
    examples: [["man start | man -l -", "Read the manual page of start"]],
    isNew: true,
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
