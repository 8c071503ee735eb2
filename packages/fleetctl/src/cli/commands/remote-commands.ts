import type { Flag } from "../flag.ts";
import type { Command } from "./command.ts";

const sshPort: Flag = {
  name: "ssh-port",
  kind: "text",
  fallback: "",
  help: "Connect to this port of sshd, instead of Port in ssh's configuration (22 without one)",
};

function machine(what: string): Flag {
  return { name: "machine", kind: "text", fallback: "", suggests: "machine", help: what };
}

/** How the machine is reached, where one is. */
const overSsh =
  "Runs over ssh, the system's own with its configuration (~/.ssh/config), agent and known hosts, as the user of " +
  "--ssh-username. On the machine itself, and without --tunnel, no ssh is needed.";

/** Commands that do something on a machine of the cluster. */
export const remoteCommands: readonly Command[] = [
  {
    name: "fd-forward",
    usage: "SOCKET",
    summary: "Connect stdin and stdout with a unix domain socket",
    description:
      "For --tunnel to an endpoint that is a socket: fleetctl runs it over ssh on the other host, where it must be in the PATH.",
    flags: [],
    takes: ["file"],
    examples: [["fd-forward /var/run/fleet.sock", "Speak with the daemon of this machine"]],
  },
  {
    name: "journal",
    usage: "[-f|--follow] [--lines=N] [--output=MODE] [--sudo] [--machine=M] [--ssh-port=N] UNIT",
    summary: "Print the journal of a unit to stdout",
    description: `Runs journalctl on the machine that the unit is on. A global unit is on many: --machine says which.\n\n${overSsh}`,
    flags: [
      { name: "lines", kind: "count", fallback: "10", help: "Show so many of the latest lines" },
      {
        name: "follow",
        short: "f",
        kind: "switch",
        fallback: "false",
        help: "Go on with new lines as they come, until Ctrl-C",
      },
      {
        name: "output",
        kind: "text",
        fallback: "short",
        help: "How journalctl is to show them: short, cat, json, ...",
      },
      { name: "sudo", kind: "switch", fallback: "false", help: "Run journalctl as root, with sudo" },
      machine(
        "Ask this machine, named by the beginning of its id or by its IP, instead of the one that the unit is on",
      ),
      sshPort,
    ],
    takes: ["unit"],
    examples: [
      ["journal --lines=20 hello", "Show the last 20 lines of hello.service"],
      ["journal -f hello", "Follow it"],
    ],
  },
  {
    name: "ssh",
    usage: "[-A|--forward-agent] [--ssh-port=N] [--machine=M|--unit=U] [MACHINE|UNIT] [COMMAND...]",
    summary: "Open an interactive shell on a machine in the cluster, or run a command there",
    description: [
      "The machine is the one whose id begins with MACHINE or whose IP that is, or the one that UNIT is on. Everything after it is the command, its flags included; as with ssh its words are joined by blanks for the remote shell. The exit code is the command's; 255 is also that of ssh's own failures.",
      `${overSsh} Then the command runs in your own shell as yourself, unless --ssh-username, --ssh-port or -A is given.`,
    ].join("\n\n"),
    flags: [
      {
        name: "forward-agent",
        short: "A",
        kind: "switch",
        fallback: "false",
        help: "Let the machine use your ssh agent; otherwise ForwardAgent in ssh's configuration counts",
      },
      sshPort,
      machine("Connect to the machine whose id begins so or whose IP it is"),
      {
        name: "unit",
        kind: "text",
        fallback: "",
        suggests: "unit",
        help: "Connect to the machine that the unit is on",
      },
    ],
    takes: ["machine", "unit"],
    runsRest: true,
    examples: [
      ["ssh 1a2b3c", "Open a shell on the machine whose id begins so"],
      ["ssh hello cat /etc/environment", "Run a command where hello.service is"],
    ],
  },
  {
    name: "status",
    usage: "[--machine=M] [--ssh-port=N] UNIT...",
    summary: "Output the status of one or more units in the cluster",
    description: [
      "Runs systemctl status -l on the machine of each unit. The exit code is systemctl's, of several the first that is not 0: 3 for a unit that does not run. A global unit is on many machines: --machine says which.",
      "A UNIT may be a pattern ('apache@*', in quotes): it stands for the units it matches that are on a machine.",
      overSsh,
    ].join("\n\n"),
    flags: [
      machine(
        "Ask this machine, named by the beginning of its id or by its IP, instead of those that the units are on",
      ),
      sshPort,
    ],
    takes: ["unit"],
    examples: [
      ["status hello", "Show how hello.service is"],
      ["status --machine=1a2b3c node-exporter", "Show how a global unit is on one machine"],
    ],
  },
];
