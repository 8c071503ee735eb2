import type { Flag } from "../flag.ts";
import type { Command } from "./command.ts";

const yes: Flag = {
  name: "yes",
  kind: "switch",
  fallback: "false",
  help: "Do it. Without this flag nothing is changed",
};

/** Commands that keep and bring back what is in the registry. */
export const recoveryCommands: readonly Command[] = [
  {
    name: "backup",
    usage: "[FILE]",
    summary: "Write the cluster's units and machine metadata to a file",
    description:
      "Writes everything users want of the cluster, as of one moment: units with their files and target states, and machine metadata set through the API. Without FILE it goes to stdout. An existing file is replaced as a whole; only its owner may read it. With --driver=etcd no fleetd is needed.",
    flags: [],
    takes: ["file"],
    examples: [["backup /var/backups/fleet.json", "Keep what the cluster should run"]],
    isNew: true,
  },
  {
    name: "restore",
    usage: "FILE [--yes] [--replace] [--max-state=S] [--metadata-only]",
    summary: "Bring back what a backup holds",
    description:
      "Shows what it would do, and does it with --yes; it can be repeated. Units that are missing are created, target states are only raised, units with other content are left alone unless --replace is given, and units that the backup lacks stay.",
    flags: [
      yes,
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
        choices: ["inactive", "loaded", "launched"],
        help: "Bring no unit further than inactive, loaded or launched",
      },
      {
        name: "metadata-only",
        kind: "switch",
        fallback: "false",
        help: "Bring back metadata of machines, and no units",
      },
    ],
    takes: ["file"],
    examples: [
      ["restore /var/backups/fleet.json", "Show what is missing or different here"],
      ["restore /var/backups/fleet.json --yes", "Bring it back"],
    ],
    isNew: true,
  },
  {
    name: "reseed",
    usage: "[--yes] [--discard] [--wait-for=N] [--finish]",
    summary: "Seed a registry that was wiped or rolled back anew, from what the machines still run",
    description:
      "Shows how the registry stands. When fleetd is frozen because etcd lost the cluster, --yes begins: each machine tells the registry what it runs, and nothing is started or stopped. --finish ends it once all machines have told; what that would stop is listed before, and takes --yes.",
    flags: [
      yes,
      {
        name: "discard",
        kind: "switch",
        fallback: "false",
        help: "Throw away what etcd holds instead of this cluster",
      },
      {
        name: "wait-for",
        kind: "count",
        fallback: "0",
        help: "Wait until so many machines have told, then finish unless that would stop something",
      },
      {
        name: "finish",
        kind: "switch",
        fallback: "false",
        help: "End it: the cluster schedules again",
      },
    ],
    examples: [
      ["reseed", "Show whether the registry is lost, and how far its seeding is"],
      ["reseed --yes --wait-for=5", "Seed it anew from five machines"],
      ["reseed --finish", "Have the cluster go on with the machines that are there"],
    ],
    isNew: true,
  },
];
