import { FleetError } from "@fleet/runtime";
import { programOf } from "./checkout.ts";
import type { Cluster } from "./cluster.ts";
import type { ClusterMachine } from "./cluster-machine.ts";
import { etcdCommands, etcdStatus } from "./etcd-commands.ts";

/** A thing that can be done to a running lab, from another process. */
interface LabCommand {
  /** Names of the arguments, for the usage line; "[x]" may be left out. */
  readonly usage: string;
  readonly summary: string;
  /** Returns what to print. */
  readonly run: (cluster: Cluster, args: readonly string[]) => Promise<string>;
}

/** Every command by name, in the order in which help lists them. */
export const labCommands: ReadonlyMap<string, LabCommand> = new Map([
  [
    "status",
    {
      usage: "",
      summary: "machines, their fleetd and their cable to etcd; etcd's members",
      run: (cluster) => status(cluster),
    },
  ],
  [
    "env",
    {
      usage: "[MACHINE]",
      summary: 'shell lines that point fleetctl and fleet-lab at it: eval "$(fleet-lab env)"',
      run: async (cluster, [name]) => environment(cluster, name),
    },
  ],
  [
    "add-machine",
    {
      usage: "[--full] [KEY=VALUE...]",
      summary: "boots one more machine, with this metadata",
      run: async (cluster, args) => {
        const machine = await cluster.addMachine({
          kind: args.includes("--full") ? "full" : "light",
          metadata: readMetadata(args.filter((arg) => arg !== "--full")),
        });
        return `${machine.name} has joined: ${machine.id}\n`;
      },
    },
  ],
  [
    "kill-agent",
    {
      usage: "MACHINE",
      summary: "kill -9 of its fleetd; its units stay up there until it is back",
      run: onMachine(async (machine) => {
        await machine.killFleetd();
        return `fleetd on ${machine.name} is gone\n`;
      }),
    },
  ],
  [
    "stop-agent",
    {
      usage: "MACHINE",
      summary: "SIGTERM to its fleetd: it unloads its units and leaves",
      run: onMachine(async (machine) => {
        const code = await machine.stopFleetd();
        return `fleetd on ${machine.name} has left (exit code ${code})\n`;
      }),
    },
  ],
  [
    "restart",
    {
      usage: "MACHINE",
      summary: "starts its fleetd again; one that runs is killed first",
      run: onMachine(async (machine) => {
        await machine.killFleetd();
        await machine.startFleetd();
        return `fleetd on ${machine.name} is up\n`;
      }),
    },
  ],
  [
    "pause-agent",
    {
      usage: "MACHINE",
      summary: "freezes its fleetd (SIGSTOP)",
      run: onMachine(async (machine) => {
        machine.signalFleetd("SIGSTOP");
        return `fleetd on ${machine.name} is frozen\n`;
      }),
    },
  ],
  [
    "continue-agent",
    {
      usage: "MACHINE",
      summary: "lets it go on (SIGCONT)",
      run: onMachine(async (machine) => {
        machine.signalFleetd("SIGCONT");
        return `fleetd on ${machine.name} goes on\n`;
      }),
    },
  ],
  [
    "kill-machine",
    {
      usage: "MACHINE",
      summary: "power cut: fleetd, systemd and all units at once",
      run: onMachine(async (machine) => {
        await machine.kill();
        return `${machine.name} is off\n`;
      }),
    },
  ],
  [
    "reboot",
    {
      usage: "MACHINE",
      summary: "power cut, if it is on, and power again",
      run: onMachine(async (machine) => {
        await machine.reboot();
        return `${machine.name} is up again\n`;
      }),
    },
  ],
  [
    "cut-off",
    {
      usage: "MACHINE [drop|refuse]",
      summary: "cuts it off from etcd: packets are lost (drop) or connections refused",
      run: onMachine(async (machine, [mode = "drop"]) => {
        if (mode !== "drop" && mode !== "refuse") throw usageError(`not a way to cut off: "${mode}"`);
        machine.cutOffFromEtcd(mode);
        return `${machine.name} is cut off from etcd\n`;
      }),
    },
  ],
  [
    "heal",
    {
      usage: "MACHINE",
      summary: "joins it to etcd again",
      run: onMachine(async (machine) => {
        machine.heal();
        return `${machine.name} reaches etcd again\n`;
      }),
    },
  ],
  [
    // Answers what the "shell" of another process has to execute; not for people, so help leaves it out.
    "entry",
    {
      usage: "MACHINE",
      summary: "",
      run: onMachine(async (machine) =>
        JSON.stringify({ command: machine.machine.entry([]), env: machine.machine.environment }),
      ),
    },
  ],
  [
    "wipe-registry",
    {
      usage: "",
      summary: "deletes everything fleet has in etcd, behind its back",
      run: async (cluster) => {
        await cluster.wipeRegistry();
        return "the registry is empty\n";
      },
    },
  ],
  ...etcdCommands,
]);

/** Runs a command by name. Fails with `lab_usage` for what is no command, or not used as one. */
export async function runLabCommand(
  cluster: Cluster,
  name: string,
  args: readonly string[],
): Promise<string> {
  const command = labCommands.get(name);
  if (command === undefined) throw usageError(`unknown command "${name}"`);
  return await command.run(cluster, args);
}

/** One line for each machine, and for each member of etcd. */
async function status(cluster: Cluster): Promise<string> {
  const rows = cluster.machines.map((machine) => [
    machine.name,
    machine.shortId,
    machine.publicIp,
    machine.machine.kind,
    machine.machine.running ? "on" : "off",
    machine.fleetdPid === undefined ? "down" : `pid ${machine.fleetdPid}`,
    machine.cable === "pass" ? "joined" : `cut off (${machine.cable})`,
    machine.endpoint,
  ]);
  return `${table([["NAME", "ID", "IP", "KIND", "POWER", "FLEETD", "ETCD", "ENDPOINT"], ...rows])}${await etcdStatus(cluster)}logs: ${cluster.directory.path}/*/*.log\n`;
}

/** Shell lines that make fleetctl talk to a machine, and reach full ones over ssh. */
function environment(cluster: Cluster, name: string | undefined): string {
  const machine = name === undefined ? cluster.machines[0] : cluster.machine(name);
  if (machine === undefined) throw new FleetError("lab_no_machine", "the lab has no machine");
  const programs = programOf("fleetctl").replace(/\/fleetctl$/, "");
  const full = cluster.machines.find((each) => each.machine.kind === "full")?.full;
  const lines = [
    `FLEETCTL_ENDPOINT=${machine.endpoint}`,
    `FLEET_LAB=${cluster.name}`,
    `PATH=${programs}:$PATH`,
    // The next lab has the same addresses, and other host keys: none of them is to be kept.
    ...(full === undefined
      ? []
      : [`SSH_AUTH_SOCK=${full.ssh.environment.SSH_AUTH_SOCK}`, "FLEETCTL_STRICT_HOST_KEY_CHECKING=false"]),
  ];
  return lines.map((line) => `export ${line}\n`).join("");
}

function onMachine(
  run: (machine: ClusterMachine, args: readonly string[]) => Promise<string>,
): LabCommand["run"] {
  return async (cluster, [name, ...args]) => {
    if (name === undefined) throw usageError("which machine?");
    return await run(cluster.machine(name), args);
  };
}

function readMetadata(pairs: readonly string[]): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const pair of pairs) {
    const [, key, value] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
    if (key === undefined || value === undefined) throw usageError(`metadata is KEY=VALUE: "${pair}"`);
    metadata[key] = value;
  }
  return metadata;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function usageError(message: string): FleetError {
  return new FleetError("lab_usage", message);
}
