import type { Flag } from "../flag.ts";
import type { Command } from "./command.ts";
import { matchesCluster, namesFiles, namesUnits } from "./unit-commands.ts";

function machines(name: string, help: string): Flag {
  return {
    name,
    kind: "text",
    fallback: "",
    suggests: "machine",
    help: `${help}, comma-separated: each by the beginning of its id or by its IP`,
  };
}

/** Commands that say why, and what would be. */
export const foresightCommands: readonly Command[] = [
  {
    name: "explain",
    usage: "UNIT...",
    summary: "Say why units are where they are, or why they wait for a machine",
    description: [
      "Of a unit that waits: how many machines are kept out by what, which one would nearly do, and what would help. Of one that is placed: why there, and whether the machine would still be allowed to run it.",
      namesUnits,
      "With --json each explanation is an object of a list.",
    ].join("\n\n"),
    flags: [],
    takes: ["unit"],
    examples: [
      ["explain web", "Say what web.service waits for"],
      ["explain 'web@*' --json", "Explain all instances, for a program"],
    ],
    isNew: true,
  },
  {
    name: "plan",
    usage: "[--drain=M,...] [--without=M,...] [--target=S] [--replace] [UNIT...]",
    summary: "Show what the cluster would do if units were started and machines left, and change nothing",
    description: [
      "A dry run by the engine's own planning: what would start, move and stop, where and why. Units are read as start reads them; flags and units may be combined. Exits 0 when everything would find a machine, 1 when a unit would wait for one, or on an error.",
      namesFiles,
      matchesCluster,
      "Where a unit goes depends on which ends first of several that move: the dry run takes them to end together. A large cluster may take longer than --request-timeout.",
    ].join("\n\n"),
    flags: [
      machines("drain", "Suppose that these machines leave in order"),
      machines("without", "Suppose that these machines are lost"),
      {
        name: "target",
        kind: "text",
        fallback: "launched",
        choices: ["loaded", "launched"],
        help: "Suppose that the units are to be loaded or launched",
      },
      {
        name: "replace",
        kind: "switch",
        fallback: "false",
        help: "Suppose the local unit file where it differs from the one in the cluster",
      },
    ],
    takes: ["unit", "file"],
    examples: [
      ["plan ./web.service", "Show where the unit of that file would go"],
      ["plan --drain=1a2b3c", "Show where the units of a machine would go that leaves"],
      ["plan --without=1a2b3c,4d5e6f", "Show what two lost machines would mean"],
    ],
    isNew: true,
  },
];
