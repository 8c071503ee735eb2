import { availableParallelism, loadavg } from "node:os";
import type { ClusterMachine } from "@fleet/lab";
import { it } from "vitest";
import { type LabCluster, type UseLabClusterOptions, useLabCluster } from "../e2e/lab-cluster.ts";
import { FleetdEvents } from "./fleetd-events.ts";
import { Timeline } from "./timeline.ts";

/** A drill while it is played. */
export interface Drill {
  readonly timeline: Timeline;
  readonly logged: FleetdEvents;
}

/**
 * The cluster of a drill: three full machines, m1 to m3, and three members of etcd. Like useLabCluster, for the body
 * of describeFullMachines.
 */
export function useDrillCluster(options: Omit<UseLabClusterOptions, "etcdMembers"> = {}): LabCluster {
  const machines = options.machines ?? [{}, {}, {}];
  return useLabCluster({
    agentTtlMs: 5_000,
    restore: false,
    ...options,
    machines: machines.map((settings) => ({ kind: "full", ...settings })),
    etcdMembers: 3,
  });
}

/**
 * A test that tells what happens, with the times, and fails when a promise is broken. Its promises are judged by
 * `timeline.promise`, not by `expect`: one that is broken must not hide the others.
 */
export function drill(name: string, lab: LabCluster, play: (drill: Drill) => Promise<void>): void {
  it(name, async () => {
    const timeline = new Timeline(name, (line) => console.info(line));
    const logged = new FleetdEvents(() => lab.machines, timeline);
    let failure: unknown;
    try {
      await play({ timeline, logged });
    } catch (error) {
      failure = error;
    }
    logged.stop();
    // Promises of time are made for hosts that have the time: below one for each processor.
    const [load = 0] = loadavg();
    timeline.event("note", `load of this host: ${load.toFixed(1)} on ${availableParallelism()} processors`);
    timeline.end(failure);
    if (failure !== undefined) throw failure;
    if (timeline.broken.length > 0) throw new Error(`broken: ${timeline.broken.join("; ")}`);
  });
}

/** Starts units, all at once, and waits until as many are active. */
export async function startAll(
  lab: LabCluster,
  files: Readonly<Record<string, string>>,
  timeoutMs = 60_000,
): Promise<void> {
  await lab.fleetctlOk("start", "--no-block", ...lab.unitFiles(files));
  await untilActiveCount(lab, Object.keys(files), timeoutMs);
}

/** Waits until each of these units is active on at least one machine, by report. Resolves with the time it took. */
export async function untilActiveCount(
  lab: LabCluster,
  names: readonly string[],
  timeoutMs: number,
  via?: ClusterMachine,
): Promise<number> {
  const { ms } = await lab.cluster.waitFor({
    what: `${names.length} units to be active`,
    probe: async () => {
      const states = await lab.cluster.states(via);
      const active = new Set(
        states.flatMap((state) => (state.systemdActiveState === "active" ? [state.name] : [])),
      );
      return names.filter((name) => !active.has(name));
    },
    until: (missing) => missing.length === 0,
    timeoutMs,
  });
  return ms;
}

/** A unit's process as the systemd of a machine knows it. */
export interface UnitProcess {
  readonly unit: string;
  readonly machine: string;
  readonly pid: string;
  /** Another one after each start. */
  readonly invocation: string;
}

/** Where these units have a process, past fleet, sorted by unit and machine. Machines that are off have none. */
export async function unitProcesses(
  lab: LabCluster,
  names: readonly string[],
): Promise<readonly UnitProcess[]> {
  const on = lab.machines.filter(({ machine }) => machine.running);
  const found = await Promise.all(on.map((machine) => processesOn(machine, names)));
  return found
    .flat()
    .sort((one, other) => `${one.unit} ${one.machine}`.localeCompare(`${other.unit} ${other.machine}`));
}

async function processesOn(
  machine: ClusterMachine,
  names: readonly string[],
): Promise<readonly UnitProcess[]> {
  const { stdout } = await machine.systemctl(
    ...["show", "-p", "Id", "-p", "MainPID", "-p", "InvocationID", ...names],
  );
  return stdout.split("\n\n").flatMap((block) => {
    const property = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(block)?.[1] ?? "";
    const [unit, pid, invocation] = [property("Id"), property("MainPID"), property("InvocationID")];
    return unit === "" || pid === "" || pid === "0" ? [] : [{ unit, machine: machine.name, pid, invocation }];
  });
}

/** How many of the first have another process now, or none: `stopped`, and `restarted` where there is one. */
export function comparedProcesses(
  before: readonly UnitProcess[],
  after: readonly UnitProcess[],
): { readonly stopped: number; readonly restarted: number; readonly figures: string } {
  const now = new Map(after.map((process) => [`${process.unit} ${process.machine}`, process]));
  let [stopped, restarted] = [0, 0];
  for (const { unit, machine, pid, invocation } of before) {
    const present = now.get(`${unit} ${machine}`);
    if (present === undefined) stopped += 1;
    else if (present.pid !== pid || present.invocation !== invocation) restarted += 1;
  }
  const same = before.length - stopped - restarted;
  const figures = `${before.length} units: ${stopped} stopped, ${restarted} restarted, ${same} same main process`;
  return { stopped, restarted, figures };
}

/** Names `u000.service`…, that sort by number. */
export function unitNames(count: number, prefix = "u"): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, "0")}.service`);
}

/** The same text for each unit. */
export function filesOf(names: readonly string[], text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, text]));
}
