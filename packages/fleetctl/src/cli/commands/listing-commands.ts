import type { Flag } from "../flag.ts";
import type { Command } from "./command.ts";

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
const watch: Flag = {
  name: "watch",
  short: "w",
  kind: "switch",
  fallback: "false",
  help: "Stay, and show what changes: in place on a terminal, else as lines",
};
const machine: Flag = {
  name: "machine",
  kind: "text",
  fallback: "",
  suggests: "machine",
  help: "List only what is on these machines, comma-separated: each by the beginning of its id or by its IP",
};

function fields(fallback: string, known: readonly string[]): Flag {
  return {
    name: "fields",
    kind: "text",
    fallback,
    suggests: known,
    help: `Columns to print, comma-separated. Known: ${known.join(", ")}`,
  };
}

function sort(known: readonly string[], otherwise: string): Flag {
  return {
    name: "sort",
    kind: "text",
    fallback: "",
    suggests: known,
    help: `Columns to sort by, comma-separated; -COLUMN reverses, numbers count as such. Otherwise by ${otherwise}`,
  };
}

const machineFields = ["machine", "ip", "metadata"];
const fileFields = ["unit", "hash", "desc", "dstate", "state", "target", "tmachine", "global"];
const stateFields = ["unit", "load", "active", "sub", "machine", "hash"];

/** Which units a listing shows. */
const filters =
  "With a UNIT, lists only the units of that name (.service may be left out) or that match the pattern " +
  "('apache@*', in quotes). Names and flags narrow the list together.";

/** Commands that print tables of what the cluster holds. */
export const listingCommands: readonly Command[] = [
  {
    name: "list-machines",
    usage: "[OPTIONS] [MACHINE|KEY=VALUE...]",
    summary: "Enumerate the current hosts in the cluster",
    description: [
      "Lists the machines whose fleetd is present, with their address and metadata.",
      "With a MACHINE, lists only those whose id begins so or whose IP it is; with KEY=VALUE, only those with that metadata. Both may be patterns ('10.0.*', 'role=db*').",
    ].join("\n\n"),
    flags: [
      fields("machine,ip,metadata", machineFields),
      machine,
      sort(machineFields, "machine id"),
      full,
      noLegend,
      watch,
    ],
    takes: ["machine"],
    examples: [
      ["list-machines", "List all machines"],
      ["list-machines region=eu --sort=ip", "List those in one region, by address"],
    ],
  },
  {
    name: "list-unit-files",
    usage: "[OPTIONS] [UNIT...]",
    summary: "List the units that exist in the cluster",
    description: ["Lists every submitted unit with its desired and its current state.", filters].join("\n\n"),
    flags: [
      fields("unit,hash,dstate,state,target", fileFields),
      {
        name: "state",
        kind: "text",
        fallback: "",
        suggests: ["inactive", "loaded", "launched"],
        help: "List only units that have or are to have one of these states: inactive, loaded, launched",
      },
      machine,
      sort(fileFields, "unit"),
      full,
      noLegend,
      watch,
    ],
    takes: ["unit", "template"],
    examples: [
      ["list-unit-files", "List what was submitted"],
      [
        "list-unit-files --fields=unit,desc --state=inactive",
        "List what could be started, with descriptions",
      ],
    ],
  },
  {
    name: "list-units",
    usage: "[OPTIONS] [UNIT...]",
    summary: "List the current state of units in the cluster",
    description: ["Lists what systemd reports: one row for each unit and machine.", filters].join("\n\n"),
    flags: [
      fields("unit,machine,active,sub", stateFields),
      {
        name: "state",
        kind: "text",
        fallback: "",
        suggests: ["active", "activating", "deactivating", "failed", "inactive", "not-found", "running"],
        help: "List only units in one of these states of systemd: active, failed, start-pre, not-found, ...",
      },
      machine,
      sort(stateFields, "unit and machine"),
      full,
      noLegend,
      watch,
    ],
    takes: ["unit"],
    examples: [
      ["list-units --state=failed,activating", "List what does not run, or not yet"],
      ["list-units --machine=10.0.2.15 'apache@*'", "List the apache instances on one machine"],
    ],
  },
  {
    name: "events",
    usage: "[-f|--follow] [--lines=N] [--unit=PATTERN] [--machine=M]",
    summary: "Show what the cluster has decided and noticed lately",
    description:
      "Prints a line for each event, the latest last: units that were placed, moved, withdrawn, or wait for a machine, machines that joined, left or were lost, another leader; each with its time and why. The cluster keeps only the latest of them. With --json each is an object on a line of its own.",
    flags: [
      {
        name: "follow",
        short: "f",
        kind: "switch",
        fallback: "false",
        help: "Go on with new events as they come, until Ctrl-C",
      },
      {
        name: "lines",
        short: "n",
        kind: "count",
        fallback: "",
        help: "Show so many of the latest events. Otherwise all that are kept, with --follow ten",
      },
      {
        name: "unit",
        kind: "text",
        fallback: "",
        suggests: "unit",
        help: "Only what is about these units, comma-separated: names or patterns ('apache@*', in quotes)",
      },
      {
        name: "machine",
        kind: "text",
        fallback: "",
        suggests: "machine",
        help: "Only what is about these machines, comma-separated: each by the beginning of its id or by its IP",
      },
    ],
    examples: [
      ["events --unit='apache@*' --lines=20", "Show what became of the apache instances lately"],
      ["events -f", "Follow what the cluster does"],
    ],
    isNew: true,
  },
];
