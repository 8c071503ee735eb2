import type { Flag } from "../flag.ts";
import type { Command } from "./command.ts";

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
const ifUnplaceable: Flag = {
  name: "if-unplaceable",
  kind: "text",
  fallback: "wait",
  choices: ["wait", "fail"],
  help: "What to do when no machine may run a unit, apart from saying why: wait until one may, or fail. The unit stays in the cluster either way",
};
const replace: Flag = {
  name: "replace",
  kind: "switch",
  fallback: "false",
  help: "Replace the unit in the cluster when the local unit file differs from it",
};
const yes: Flag = {
  name: "yes",
  short: "y",
  kind: "switch",
  fallback: "false",
  help: "Do not ask before destroying what a pattern matches",
};
const sign: Flag = { name: "sign", kind: "switch", fallback: "false", help: "", hidden: true };

const parallel: Flag = {
  name: "parallel",
  kind: "count",
  fallback: "1",
  help: "Restart this many at a time: units, and machines of a global unit",
};

const cancel: Flag = {
  name: "cancel",
  kind: "text",
  fallback: "",
  help: "Cancel the request with this id instead: what is under way ends, nothing further begins",
};

/** How the cluster's units are named. */
export const namesUnits =
  "A UNIT is a name, a name without .service, or a path that ends in the name. A pattern ('apache@*', db-?, " +
  "web@[1-3]; in quotes, so that the shell leaves it alone) stands for all units of the cluster whose name it " +
  "matches, with or without .service.";

/** How units are named that may come from files. */
export const namesFiles =
  "A UNIT is the path of a unit file, or its name; .service may be left out. An instance (apache@8080) without a " +
  "file of its own takes the template apache@.service, from the cluster or beside the path.";

/** What a pattern is beside names that may come from files. */
export const matchesCluster =
  "A pattern ('apache@*', in quotes) stands for the units of the cluster that it matches, templates left out. " +
  "Local files do not matter to it, except with --replace.";

/** Commands that say what is wanted of units, and the one that prints a unit file. */
export const unitCommands: readonly Command[] = [
  {
    name: "cat",
    usage: "UNIT",
    summary: "Output the contents of a submitted unit",
    description: [
      "Prints the unit file exactly as the cluster holds it.",
      "The UNIT is a name, or a pattern ('web*') that matches a single unit.",
    ].join("\n\n"),
    flags: [],
    takes: ["unit", "template"],
    examples: [["cat hello.service", "Show what runs as hello.service"]],
  },
  {
    name: "destroy",
    usage: "[--yes] [--no-block|--block-attempts=N] UNIT...",
    summary: "Destroy one or more units in the cluster",
    description: [
      "Removes the units from the cluster, running ones included, and waits until their machines have stopped and unloaded them. Destroyed units cannot be started again without submitting them anew.",
      namesUnits,
      "The units that a pattern matches are named first, and on a terminal nothing is destroyed before you agree.",
    ].join("\n\n"),
    flags: [yes, noBlock, blockAttempts],
    takes: ["unit", "template"],
    examples: [
      ["destroy hello.service", "Stop hello.service, and forget it"],
      ["destroy --yes 'apache@*'", "Remove all apache instances, and their template"],
    ],
  },
  {
    name: "load",
    usage: "[--replace] [--if-unplaceable=wait|fail] [--no-block|--block-attempts=N] UNIT...",
    summary: "Schedule one or more units in the cluster, first submitting them if necessary",
    description: [
      "Each unit is placed on a machine and loaded into its systemd, without being started. When no machine may run it, that is said within a second, with the reason.",
      namesFiles,
      matchesCluster,
    ].join("\n\n"),
    flags: [replace, ifUnplaceable, noBlock, blockAttempts, sign],
    takes: ["unit", "file"],
    examples: [["load ./units/apache@8080.service", "Submit the unit, and place it"]],
  },
  {
    name: "restart",
    usage: "[--parallel=N] [--no-block|--block-attempts=N] UNIT...|--cancel=ID",
    summary: "Restart one or more units in the cluster, one after the other",
    description: [
      "The cluster carries the restart out, also when fleetctl ends: each unit once, where it is, and the next one when it " +
        "is active again or, a oneshot, has finished; a global unit machine by machine. At the first that fails nothing " +
        "further is restarted. Units that are loaded are started.",
      "fleetctl tells how it goes, and waits for the end. Ended before, with Ctrl-C, it names the request's id, by which " +
        "--cancel ends the request itself.",
      namesUnits,
    ].join("\n\n"),
    flags: [parallel, cancel, noBlock, blockAttempts],
    takes: ["unit"],
    examples: [
      ["restart hello.service", "Restart a unit where it is"],
      ["restart --parallel=2 'apache@*'", "Restart all instances, two at a time"],
      ["restart --cancel=9c6b5a0d2f31e874", "Restart nothing further of that request"],
    ],
  },
  {
    name: "start",
    usage: "[--replace] [--if-unplaceable=wait|fail] [--no-block|--block-attempts=N] UNIT...",
    summary:
      "Instruct systemd to start one or more units in the cluster, first submitting and loading if necessary",
    description: [
      "Waits until each unit is active. Exits 0 as well when a unit is still activating 2 s after systemd was asked to start it, and when it has finished already; exits 1 when it failed. A launched unit that has failed is started again, wherever it has failed. As for systemctl, a unit of Type=simple is active as soon as its process has begun. When no machine may run a unit, that is said within a second, with the reason.",
      namesFiles,
      matchesCluster,
    ].join("\n\n"),
    flags: [replace, ifUnplaceable, noBlock, blockAttempts, sign],
    takes: ["unit", "file"],
    examples: [
      ["start ./hello.service", "Submit, place and start the unit of that file"],
      [
        "start --replace ./hello.service",
        "Start it as the file says now, although the cluster has an older one",
      ],
      ["start 'apache@*'", "Start all apache instances that the cluster has"],
    ],
  },
  {
    name: "stop",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Instruct systemd to stop one or more units in the cluster",
    description: [
      "Waits until the units are stopped; they stay loaded on their machines. A unit that is on no machine is refused.",
      namesUnits,
      "A pattern takes only units that are on a machine.",
    ].join("\n\n"),
    flags: [noBlock, blockAttempts],
    takes: ["unit"],
    examples: [["stop hello 'apache@*'", "Stop hello.service and all apache instances"]],
  },
  {
    name: "submit",
    usage: "[--replace] UNIT...",
    summary: "Upload one or more units to the cluster without starting them",
    description: [
      "Each unit is validated and stored. Submitted units can be loaded and started by their name.",
      namesFiles,
    ].join("\n\n"),
    flags: [replace, sign],
    takes: ["file"],
    examples: [["submit ./units/*.service", "Submit every unit file of a directory"]],
  },
  {
    name: "unload",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Unschedule one or more units in the cluster",
    description: [
      "The units are stopped and leave their machines; they stay submitted.",
      namesUnits,
      "A pattern takes only units that are not inactive.",
    ].join("\n\n"),
    flags: [noBlock, blockAttempts],
    takes: ["unit"],
    examples: [["unload hello.service", "Stop hello.service, and free its machine of it"]],
  },
];
