import type { Command } from "./command.ts";

const targetStates = ["inactive", "loaded", "launched"] as const;

/** Commands that bring units from elsewhere. */
export const transferCommands: readonly Command[] = [
  {
    name: "import",
    usage: "--from=ENDPOINT|DIRECTORY [--yes] [--replace] [--max-state=S] [--state=S] [PATTERN...]",
    summary: "Take units over from a running fleet 1.0, or from a directory of unit files",
    description:
      "Shows what it would do, and does it with --yes. From a cluster (unix://, file://, http://, https://) it takes unit files and target states, and changes nothing there; from a directory it takes the unit files in it. Units with other content here are left alone unless --replace is given; target states are only raised, so that it can be repeated. Units launched here go on running in the old cluster until they are stopped there.",
    flags: [
      {
        name: "from",
        kind: "text",
        fallback: "",
        suggests: "file",
        help: "Endpoint of the other cluster, or a directory",
      },
      {
        name: "yes",
        kind: "switch",
        fallback: "false",
        help: "Do it. Without this flag nothing is changed",
      },
      {
        name: "replace",
        kind: "switch",
        fallback: "false",
        help: "Replace units that have other content here",
      },
      {
        name: "max-state",
        kind: "text",
        fallback: "launched",
        choices: targetStates,
        help: "Bring no unit further than inactive, loaded or launched",
      },
      {
        name: "state",
        kind: "text",
        fallback: "inactive",
        choices: targetStates,
        help: "Target state of units from a directory: inactive, loaded or launched",
      },
    ],
    examples: [
      ["import --from=http://10.0.0.2:49153", "Show what a fleet 1.0 has, and what would become of it here"],
      [
        "import --from=http://10.0.0.2:49153 --max-state=inactive --yes",
        "Bring all units over, and run none",
      ],
      ["import --from=./units --state=launched --yes 'web@*'", "Launch some of the units in a directory"],
    ],
    isNew: true,
  },
];
