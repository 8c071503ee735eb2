import { join } from "node:path";
import { parseArgs } from "node:util";
import { errorMessage, FleetError } from "@fleet/runtime";
import { CHECKOUT } from "./checkout.ts";
import { Cluster } from "./cluster.ts";
import type { ClusterMachine } from "./cluster-machine.ts";
import { ControlServer } from "./control.ts";
import type { ListedState, ListedUnit } from "./listings.ts";

const AGENT_TTL_MS = 5_000;
/** Far more than anything here takes: a step that needs longer has failed. */
const STEP_TIMEOUT_MS = 30_000;
const UNITS = join(CHECKOUT, "examples", "units");

const MACHINES = [
  { metadata: { region: "north", disk: "ssd" } },
  { metadata: { region: "south", disk: "ssd" } },
  { metadata: { region: "south", disk: "hdd" } },
];

/** The show, as somebody at a keyboard would give it. */
const COMMANDS: readonly (readonly string[])[] = [
  ["submit", "hello@.service", "shard@.service", "apache@.service", "apache-secretary@.service"],
  ["start", "hello.service", "hello@1.service", "hello@2.service", "database.service"],
  ["start", "confdata.service", "confd.service", "nginx.service"],
  ["start", "node-monitor.service"],
  ["start", "shard@1.service", "shard@2.service"],
  [
    "load",
    "apache@8080.service",
    "apache-secretary@8080.service",
    "apache@8081.service",
    "apache-secretary@8081.service",
  ],
  ["start", "apache@8080.service", "apache@8081.service"],
  ["load", "heartbeat.service", "mailbox.service"],
  ["start", "heartbeat.timer", "mailbox.socket"],
];

/**
 * `npm run demo`: three machines, the example units, and the loss of an agent.
 *
 * Exit code 0: every step happened; 1: one did not; 2: wrong usage; 130: interrupted during the show.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (options === undefined) return 2;
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupted.abort());
  let cluster: Cluster | undefined;
  try {
    heading("etcd and three machines");
    cluster = await Cluster.up({
      ...(options.exit ? {} : { name: "demo" }),
      machines: MACHINES.map((machine) => ({ ...machine, tcp: true })),
      agentTtlMs: AGENT_TTL_MS,
      onProgress: line,
    });
    const control = await ControlServer.listen(cluster, () => interrupted.abort());
    await show(cluster, interrupted.signal);
    if (!options.exit) await stay(cluster, interrupted.signal);
    control.close();
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    process.stderr.write(`\nThe demo failed: ${errorMessage(error)}\n`);
    return 1;
  } finally {
    if (cluster !== undefined) {
      line("\nCleaning up");
      await cluster.down();
    }
  }
}

async function show(cluster: Cluster, signal: AbortSignal): Promise<void> {
  heading("The example units");
  line("To watch it in a browser:");
  for (const { name, url } of cluster.machines) line(`  ${name}  ${dashboardOf(url)}`);
  for (const args of COMMANDS) await fleetctl(cluster, signal, args);
  const settled = await cluster.waitFor({
    what: "every unit to be where it belongs",
    probe: () => look(cluster, undefined),
    until: ({ pending }) => pending.length === 0,
    timeoutMs: STEP_TIMEOUT_MS,
    signal,
  });
  line(`Everything runs (${seconds(settled.ms)} later)`);
  await listAll(cluster, signal);

  const lost = busiest(cluster, settled.value.units);
  heading(`Losing the agent of ${lost.name} (${lost.shortId}): kill -9 ${lost.fleetdPid}`);
  await failOver(cluster, signal, lost, settled.value.units);
  await listAll(cluster, signal);
}

/** Kills the agent and follows its units to the other machines. */
async function failOver(
  cluster: Cluster,
  signal: AbortSignal,
  lost: ClusterMachine,
  before: readonly ListedUnit[],
): Promise<void> {
  const moving = before.filter((unit) => unit.machineID === lost.id).map((unit) => unit.name);
  const startedAt = performance.now();
  const elapsed = (): string => seconds(performance.now() - startedAt).padStart(8);
  await lost.killFleetd();
  line(
    `${elapsed()}  fleetd is dead; agent_ttl is ${AGENT_TTL_MS / 1_000} s, ${moving.length} units are to move`,
  );
  let listed = true;
  const arrived = new Set<string>();
  await cluster.waitFor({
    what: `the units of ${lost.name} to run elsewhere: ${moving.join(", ")}`,
    probe: async () => {
      const machines = await cluster.listedMachines();
      if (listed && !machines.some((machine) => machine.id === lost.id)) {
        listed = false;
        line(`${elapsed()}  ${lost.name} is no longer listed`);
      }
      const { pending, states } = await look(cluster, lost);
      for (const name of moving) {
        const state = states.find((row) => row.name === name && row.machineID !== lost.id);
        if (arrived.has(name) || pending.includes(name) || state === undefined) continue;
        arrived.add(name);
        const target = cluster.machine(state.machineID);
        line(
          `${elapsed()}  ${name} is on ${target.name}: ${state.systemdActiveState} (${state.systemdSubState})`,
        );
      }
      return { listed, missing: moving.filter((name) => !arrived.has(name)) };
    },
    until: (seen) => !seen.listed && seen.missing.length === 0,
    timeoutMs: AGENT_TTL_MS + STEP_TIMEOUT_MS,
    signal,
  });
  line(`${elapsed()}  everything runs again`);
}

interface Look {
  readonly units: readonly ListedUnit[];
  readonly states: readonly ListedState[];
  /** Units that are not yet what they are meant to be. */
  readonly pending: readonly string[];
}

/** Looks at the cluster once; what the lost machine still shows does not count. */
async function look(cluster: Cluster, lost: ClusterMachine | undefined): Promise<Look> {
  const [units, states] = await Promise.all([cluster.units(), cluster.states()]);
  const pending = units.filter((unit) => {
    if (unit.desiredState === "inactive") return false;
    const rows = states.filter((state) => state.name === unit.name && state.machineID !== lost?.id);
    if (unit.desiredState === "loaded") return rows.length === 0;
    return !rows.some((state) => state.systemdActiveState === "active");
  });
  return { units, states, pending: pending.map((unit) => unit.name) };
}

function busiest(cluster: Cluster, units: readonly ListedUnit[]): ClusterMachine {
  const load = (machine: ClusterMachine): number =>
    units.filter((unit) => unit.machineID === machine.id).length;
  const [first, ...others] = cluster.machines;
  if (first === undefined) throw new FleetError("lab_no_machine", "the demo has no machine");
  return others.reduce((most, machine) => (load(machine) > load(most) ? machine : most), first);
}

async function listAll(cluster: Cluster, signal: AbortSignal): Promise<void> {
  for (const command of ["list-machines", "list-unit-files", "list-units"]) {
    await fleetctl(cluster, signal, [command]);
  }
}

/** Runs fleetctl where the example units are, and shows command, output and time. */
async function fleetctl(cluster: Cluster, signal: AbortSignal, args: readonly string[]): Promise<void> {
  signal.throwIfAborted();
  line(`\n${bold(`$ fleetctl ${args.join(" ")}`)}`);
  const result = await cluster.fleetctl(args, { cwd: UNITS, timeoutMs: STEP_TIMEOUT_MS });
  process.stdout.write(result.stdout);
  process.stdout.write(result.stderr);
  line(dim(`(${seconds(result.ms)})`));
  if (result.exitCode !== 0) {
    throw new FleetError("lab_demo", `fleetctl ${args.join(" ")} ended with exit code ${result.exitCode}`);
  }
}

/** Says how to play with the cluster, and keeps it up until somebody has had enough. */
async function stay(cluster: Cluster, signal: AbortSignal): Promise<void> {
  const lab = join(CHECKOUT, "node_modules", ".bin", "fleet-lab");
  const serving = cluster.machines.find((machine) => machine.fleetdPid !== undefined);
  heading("The cluster stays up. In another shell:");
  line(`eval "$(${lab} --name ${cluster.name} env ${serving?.name ?? ""})"
                                  sets FLEETCTL_ENDPOINT=${serving?.endpoint ?? ""}
${dashboardOf(serving?.url)}
                                  the dashboard, in a browser on this host
cd ${UNITS}
fleetctl list-units               or any other command of fleetctl
fleet-lab status                  machines, agents, cables
fleet-lab restart MACHINE         the agent is back; leftover copies end
fleet-lab kill-machine MACHINE    a power cut; reboot MACHINE brings it back
fleet-lab cut-off MACHINE         its cable to etcd is pulled; heal MACHINE
fleet-lab shell MACHINE           to look around there with systemctl --user
fleet-lab help                    everything else

Ctrl-C here ends it and leaves nothing behind.`);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function readOptions(argv: readonly string[]): { readonly exit: boolean } | undefined {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { exit: { type: "boolean", default: false }, help: { type: "boolean", short: "h" } },
    });
    if (values.help !== true) return { exit: values.exit };
    line("Usage: npm run demo [-- --exit]\n  --exit   leave after the show instead of staying up");
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\nUsage: npm run demo [-- --exit]\n`);
  }
  return undefined;
}

function dashboardOf(url: string | undefined): string {
  return url === undefined ? "" : `${url}/ui/`;
}

function heading(text: string): void {
  line(`\n${bold(`== ${text}`)}`);
}

function line(text: string): void {
  process.stdout.write(`${text}\n`);
}

function bold(text: string): string {
  return styled("1", text);
}

function dim(text: string): string {
  return styled("2", text);
}

function styled(code: string, text: string): string {
  const plain = process.stdout.isTTY !== true || (process.env.NO_COLOR ?? "") !== "";
  return plain ? text : `\u001b[${code}m${text}\u001b[0m`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
