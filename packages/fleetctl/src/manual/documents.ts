import type { Command } from "../cli/commands/command.ts";
import { commands } from "../cli/commands/commands.ts";
import type { Flag } from "../cli/flag.ts";
import { globalFlags } from "../cli/global-flags.ts";
import { VERSION } from "../version.ts";
import { type Block, type Document, paragraph, type Section } from "./document.ts";

const exitStatus: Section = {
  title: "EXIT STATUS",
  blocks: [
    {
      kind: "terms",
      terms: [
        ["0", "Done."],
        ["1", "Failed: stderr says why."],
        ["2", "Wrong usage: a command or a flag that there is not, or a value that does not fit."],
        ["130", "Interrupted with Ctrl-C."],
      ],
    },
    paragraph(
      "Commands for units exit 0 when they find none of the names given, and say so, as fleet always did; a pattern that matches nothing is a failure unless another argument finds a unit.",
    ),
  ],
};

const environment: Section = {
  title: "ENVIRONMENT",
  blocks: [
    {
      kind: "terms",
      terms: [
        [
          "FLEETCTL_*",
          "Global options, unless given on the command line: --request-timeout is FLEETCTL_REQUEST_TIMEOUT.",
        ],
        ["NO_COLOR", "Set to anything but an empty text, no colours are used, unless --color=always."],
        [
          "FORCE_COLOR",
          "Set to 1, colours are used without a terminal, too, unless --color=never or NO_COLOR.",
        ],
      ],
    },
  ],
};

const files: Section = {
  title: "FILES",
  onlyInManual: true,
  blocks: [
    {
      kind: "terms",
      terms: [
        ["/var/run/fleet.sock", "The socket of the local fleetd, where commands go without --endpoint."],
        ["/etc/fleet/fleet.conf", "The configuration of fleetd."],
      ],
    },
  ],
};

/** fleetctl as a whole. */
export function programDocument(): Document {
  const listed = shownCommands().map(({ name, summary }) => [name, summary] as const);
  return {
    name: "fleetctl",
    summary: "the command line of fleet, a cluster scheduler for systemd",
    sections: [
      usage("fleetctl [global options] <command> [command options] [arguments...]"),
      {
        title: "DESCRIPTION",
        onlyInManual: true,
        blocks: [
          paragraph(
            "fleetctl submits systemd units to a cluster of machines, starts and stops them there, and shows what became of them. It talks to the fleetd of any machine.",
          ),
        ],
      },
      { title: "VERSION", blocks: [paragraph(VERSION)] },
      { title: "COMMANDS", blocks: [{ kind: "terms", terms: listed }] },
      { title: "GLOBAL OPTIONS", blocks: [flagTerms(globalFlags)] },
      exitStatus,
      environment,
      files,
      {
        title: "SEE ALSO",
        blocks: [
          paragraph("A command may be shortened as long as no other begins the same (list-m)."),
          paragraph(
            '"fleetctl help <command>" shows more on a command, "fleetctl man <command>" its manual page.',
          ),
        ],
      },
    ],
  };
}

export function commandDocument(command: Command): Document {
  const { name, summary, description, flags, examples = [] } = command;
  return {
    name: `fleetctl-${name}`,
    summary,
    sections: [
      usage(`fleetctl ${name} ${command.usage}`.trimEnd()),
      {
        title: "DESCRIPTION",
        blocks: description
          .split("\n\n")
          .filter((text) => text !== "")
          .map(paragraph),
      },
      { title: "OPTIONS", blocks: [flagTerms(flags)] },
      {
        title: "EXAMPLES",
        blocks: examples.flatMap(([line, does]): readonly Block[] => [
          paragraph(`${does}:`),
          { kind: "command", text: `fleetctl ${line}` },
        ]),
      },
      { ...exitStatus, onlyInManual: true },
      { ...environment, onlyInManual: true },
      { ...files, onlyInManual: true },
      {
        title: "SEE ALSO",
        blocks: [paragraph('Global options apply as well: see "fleetctl help", or fleetctl(1).')],
      },
    ],
  };
}

/** The commands that users see. */
export function shownCommands(): readonly Command[] {
  return commands.filter((command) => command.hidden !== true);
}

function usage(line: string): Section {
  return { title: "USAGE", blocks: [{ kind: "usage", text: line }] };
}

function flagTerms(flags: readonly Flag[]): Block {
  const shown = flags.filter((flag) => flag.hidden !== true);
  return { kind: "terms", terms: shown.map((flag) => [flagForm(flag), flag.help] as const) };
}

function flagForm({ name, short, kind, fallback }: Flag): string {
  const value = kind === "text" && fallback === "" ? "=..." : `=${fallback}`;
  const long = `--${name}${kind === "switch" && fallback === "false" ? "" : value}`;
  return short === undefined ? long : `-${short}, ${long}`;
}
