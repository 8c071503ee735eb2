import type { Random } from "@fleet/runtime";
import { type Action, nothing, refusal } from "./requests.ts";
import {
  contentsFor,
  isExclusive,
  longestStopMs,
  requirements,
  startsAfterPlain,
  unitFile,
} from "./scenery.ts";
import { pick } from "./seeded-random.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { agentTtlMs, type SimulatedMachine } from "./simulated-machine.ts";

export interface NarrowWindowsOptions {
  readonly cluster: SimulatedCluster;
  readonly random: Random;
  /** Lets time pass, with everything watched. */
  readonly pass: (durationMs: number) => Promise<void>;
}

/** Longest wait for what is expected to come about. */
const patienceMs = 8000;
const slowWatchMs = 1500;
/** By then a write that is delayed has been reported as failed (`faulty-store.ts`). */
const reportedFailedMs = 1100;
/** Outlasts two leases. */
const slowStartMs = 20_000;

/** What has to happen at one moment of another thing, which chance alone hits too rarely. */
export function narrowWindows({ cluster, random, pass }: NarrowWindowsOptions): readonly Action[] {
  const until = async (happened: () => boolean, stepMs: number): Promise<boolean> => {
    for (let passedMs = 0; passedMs < patienceMs && !happened(); passedMs += stepMs) await pass(stepMs);
    return happened();
  };

  /** Plain units that run on machines in order. */
  const plainRunning = (): readonly { readonly machine: SimulatedMachine; readonly unit: string }[] =>
    inOrder(cluster).flatMap((machine) =>
      [...cluster.acknowledged].flatMap(([unit, { target }]) =>
        target === "launched" && unit.startsWith("plain") && isActive(machine, unit)
          ? [{ machine, unit }]
          : [],
      ),
    );

  /** A machine loses its lease under an exclusive unit and is back before the unit has stopped, and before it tells of it. */
  const backWhileItStops = async (): Promise<string> => {
    const running = inOrder(cluster).flatMap((machine) =>
      machine.systemd
        .running()
        .flatMap((unit) => (isExclusive(unit) && isActive(machine, unit) ? [{ machine, unit }] : [])),
    );
    if (running.length === 0) return nothing;
    const { machine, unit } = pick(random, running);
    machine.systemd.behave(unit, { stopMs: longestStopMs });
    machine.loseSystemd("speed");
    machine.cutOff();
    const lost = await until(() => cluster.rows("machines/").every(({ key }) => key !== machine.id), 50);
    await pass(random() * agentTtlMs * 0.2);
    machine.heal();
    await pass(agentTtlMs);
    machine.healSystemd();
    return `${machine.id.slice(0, 8)} ${unit}${lost ? "" : ", whose lease lasted"}`;
  };

  /** A unit is changed while its former file is being loaded, and the machine hears of it late. */
  const changedWhileItLoads = async (): Promise<string> => {
    const machines = inOrder(cluster);
    const assigned = cluster.assignments().flatMap((key) => {
      const [machineId = "", unit = ""] = key.split("/");
      const machine = machines.find(({ id }) => id === machineId);
      const isPlain = unit.startsWith("plain") && cluster.acknowledged.has(unit);
      return machine !== undefined && isPlain ? [{ machine, unit }] : [];
    });
    if (assigned.length === 0) return nothing;
    const { machine, unit } = pick(random, assigned);
    const [one, other] = files(unit);
    const former = cluster.acknowledged.get(unit)?.text;
    machine.lag(slowWatchMs);
    const begun = machine.systemd.history.length;
    const problem = await refusal(cluster.ask(unit, "launched", former === one ? other : one));
    if (problem !== undefined) return problem;
    const isWritten = (): boolean =>
      machine.systemd.history.slice(begun).some((event) => event.kind === "written" && event.unit === unit);
    if (!(await until(isWritten, 1))) return `${unit}, which nobody loads`;
    machine.stopProcess();
    await refusal(cluster.ask(unit, "launched", former === one ? one : other));
    await pass(50);
    machine.resume();
    return `${machine.id.slice(0, 8)} ${unit}`;
  };
  /** fleetd dies between a restart and its note that the restart was carried out. */
  const killedWhileRestarting = async (): Promise<string> => {
    const running = plainRunning();
    if (running.length === 0) return nothing;
    const { machine, unit } = pick(random, running);
    const begun = machine.systemd.history.length;
    const isSeen = (kind: "restart-queued" | "started"): boolean =>
      machine.systemd.history.slice(begun).some((event) => event.kind === kind && event.unit === unit);
    const problem = await refusal(cluster.restart([unit], 1));
    if (problem !== undefined) return problem;
    if (!(await until(() => isSeen("restart-queued"), 1))) return `${unit}, which nobody restarts`;
    machine.stopProcess();
    await until(() => isSeen("started"), 50);
    machine.kill();
    machine.start();
    return `${machine.id.slice(0, 8)} ${unit}`;
  };

  /** A machine loses its lease while the start of an exclusive unit waits for a unit that is slow to start. */
  const cutOffWhileAStartWaits = async (): Promise<string> => {
    const pairs = inOrder(cluster).flatMap((machine) => {
      const there = cluster.assignments().flatMap((key) => {
        const [machineId, unit = ""] = key.split("/");
        return machineId === machine.id && cluster.acknowledged.has(unit) ? [unit] : [];
      });
      const first = there.find((unit) => unit.startsWith("plain"));
      return first === undefined ? [] : there.filter(isExclusive).map((unit) => ({ machine, first, unit }));
    });
    if (pairs.length === 0) return nothing;
    const { machine, first, unit } = pick(random, pairs);
    const { systemd } = machine;
    const reload = (name: string, content?: string): Promise<string | undefined> => {
      const [one, other] = files(name, content);
      return refusal(
        cluster.ask(name, "launched", cluster.acknowledged.get(name)?.text === one ? other : one),
      );
    };
    systemd.behave(first, { startPreMs: slowStartMs });
    try {
      const problem = await reload(first);
      if (problem !== undefined) return problem;
      if (!(await until(() => systemd.status(first).active === "activating", 10)))
        return `${first}, which nobody starts`;
      const refused = await reload(unit, startsAfterPlain);
      if (refused !== undefined) return refused;
      const waits = (): boolean =>
        systemd.status(unit).active === "inactive" && systemd.status(unit).starting === true;
      if (!(await until(waits, 10))) return `${unit}, whose start does not wait`;
      // The fence is set anew meanwhile.
      await pass(agentTtlMs * 0.5);
      machine.cutOff();
      await pass(agentTtlMs * 1.2);
      machine.heal();
      return `${machine.id.slice(0, 8)} ${unit} after ${first}`;
    } finally {
      systemd.behave(first, { startPreMs: 0 });
    }
  };

  /** A state row is written, reported as failed, and arrives when its unit is gone. */
  const rowThatArrivesLate = async (): Promise<string> => {
    const running = plainRunning();
    if (running.length === 0) return nothing;
    const { machine, unit } = pick(random, running);
    machine.delayWrites(1);
    machine.systemd.crash(unit);
    await pass(reportedFailedMs);
    machine.delayWrites(0);
    const problem = await refusal(cluster.destroy(unit));
    return problem ?? `${machine.id.slice(0, 8)} ${unit}`;
  };
  return [
    { weight: 1.5, name: "row that arrives late", act: rowThatArrivesLate },
    { weight: 1.5, name: "cut off while a start waits", act: cutOffWhileAStartWaits },
    { weight: 1.5, name: "kill fleetd while it restarts a unit", act: killedWhileRestarting },
    { weight: 1.5, name: "back while a unit stops", act: backWhileItStops },
    { weight: 1.5, name: "change what is being loaded", act: changedWhileItLoads },
  ];
}

/**
 * On a cluster in order: a machine loses its lease under an exclusive unit, and comes back only to leave, before the unit has
 * stopped and before it tells of it. Under other faults it seldom gets that far, and one that stays is given the unit back.
 */
export async function leavesWhileItStops({
  cluster,
  pass,
}: Pick<NarrowWindowsOptions, "cluster" | "pass">): Promise<void> {
  for (const machine of inOrder(cluster)) {
    const unit = machine.systemd.running().find((name) => isExclusive(name) && isActive(machine, name));
    if (unit === undefined) continue;
    machine.systemd.behave(unit, { stopMs: longestStopMs });
    machine.loseSystemd("speed");
    machine.cutOff();
    const isThere = (): boolean => cluster.rows("machines/").some(({ key }) => key === machine.id);
    for (let passedMs = 0; passedMs < patienceMs && isThere(); passedMs += 50) await pass(50);
    machine.leave();
    machine.heal();
    await pass(2 * agentTtlMs);
    return;
  }
}

/** Two unit files of the unit that differ and do the same: the first of what it may do unless given. */
function files(unit: string, content = contentsFor(unit)[0] ?? ""): readonly [string, string] {
  const xFleet = requirements.find(([name]) => name === unit)?.[1] ?? "";
  const file = unitFile(content, xFleet);
  return [file, `${file}\n[Unit]\nDescription=another\n`];
}

/** Machines on which everything is as it should be. */
function inOrder(cluster: SimulatedCluster): readonly SimulatedMachine[] {
  return cluster.machines.filter(({ cut, report }) => !cut && report?.settled === true && !report.leaving);
}

function isActive(machine: SimulatedMachine, unit: string): boolean {
  return machine.systemd.status(unit).active === "active";
}
