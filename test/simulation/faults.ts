import type { Random } from "@fleet/runtime";
import { type Action, nothing } from "./requests.ts";
import { longestStopMs } from "./scenery.ts";
import { pick } from "./seeded-random.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { type FleetdVersion, prefix, type SimulatedMachine } from "./simulated-machine.ts";

const systemdFaults = ["connection", "signals", "replies", "speed", "directory"] as const;
/** What is made unreadable: of each kind a reader could take it for absent. */
const corruptible = ["units/", "bodies/", "assignments/", "states/", "exclusive/", "reschedules/"] as const;
const versions: readonly FleetdVersion[] = ["older", "present", "next"];

/** What may go wrong with one machine, with etcd and with what it holds. */
export function faults(cluster: SimulatedCluster, random: Random): readonly Action[] {
  return [
    ...machineFaults(cluster, random),
    ...wholeClusterFaults(cluster, random),
    ...systemdWays(cluster, random),
    ...etcdFaults(cluster, random),
    ...wayOfUsers(cluster),
  ];
}

function machineFaults(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const some = onSomeMachine(cluster, random);
  const install = (machine: SimulatedMachine): void => {
    machine.install(pick(random, versions));
    machine.kill();
    machine.start();
  };
  return [
    { weight: 5, name: "kill fleetd", act: some((machine) => machine.kill()) },
    { weight: 14, name: "start fleetd", act: some((machine) => machine.start()) },
    { weight: 2, name: "leave", act: some((machine) => machine.leave()) },
    { weight: 4, name: "cut off", act: some((machine) => machine.cutOff()) },
    { weight: 8, name: "heal", act: some((machine) => machine.heal()) },
    { weight: 2, name: "reboot", act: some((machine) => machine.reboot()) },
    { weight: 3, name: "stop the process", act: some((machine) => machine.stopProcess()) },
    { weight: 2, name: "pause the machine", act: some((machine) => machine.pause()) },
    { weight: 8, name: "resume", act: some((machine) => machine.resume()) },
    { weight: 2, name: "install another version", act: some(install) },
  ];
}

function wholeClusterFaults(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const { machines } = cluster;
  const cutMost = (): string => {
    const left = pick(random, machines);
    for (const machine of machines) if (machine !== left) machine.cutOff();
    return `all but ${left.id.slice(0, 8)}`;
  };
  const upgrade = (): string => {
    for (const machine of machines) {
      machine.install("next");
      machine.kill();
      machine.start();
    }
    return "to the next version";
  };
  const confirm = async (): Promise<string> => {
    const confirmed = await cluster.confirmLosses();
    return confirmed === 0 ? nothing : `${confirmed} machines`;
  };
  return [
    { weight: 1, name: "cut off most machines", act: cutMost },
    { weight: 4, name: "confirm a loss", act: confirm },
    { weight: 0.5, name: "upgrade every machine", act: upgrade },
  ];
}

function systemdWays(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const some = onSomeMachine(cluster, random);
  const crash = some((machine) => {
    const running = machine.systemd.running();
    if (running.length > 0) machine.systemd.crash(pick(random, running));
  });
  const jobs = (): string => {
    const machine = pick(random, cluster.machines);
    const unit = pick(random, [...cluster.acknowledged.keys(), "plain-1.service"]);
    const behaviour = pick(random, [
      { startPreMs: 4000 },
      { stopMs: longestStopMs },
      { fails: true, runMs: 500 },
      { startPreMs: 0, stopMs: 0 },
    ]);
    machine.systemd.behave(unit, behaviour);
    return `${machine.id.slice(0, 8)} ${unit} ${JSON.stringify(behaviour)}`;
  };
  return [
    { weight: 4, name: "crash a unit", act: crash },
    { weight: 4, name: "slow or failing jobs", act: jobs },
    ...systemdFaults.map((how) => ({
      weight: 1,
      name: `systemd: lose ${how}`,
      act: some((machine) => machine.loseSystemd(how)),
    })),
    { weight: 5, name: "heal systemd", act: some((machine) => machine.healSystemd()) },
  ];
}

function etcdFaults(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const { etcd } = cluster;
  const some = onSomeMachine(cluster, random);
  const compact = (): string => {
    etcd.truth.compact();
    return `to ${etcd.truth.revision}`;
  };
  const changeLeader = (): string => {
    const durationMs = Math.round(random() * 2500);
    etcd.changeLeader(durationMs);
    return `for ${durationMs} ms`;
  };
  return [
    { weight: 2, name: "lose replies", act: some((machine) => machine.loseReplies(0.3)) },
    { weight: 2, name: "delay writes", act: some((machine) => machine.delayWrites(0.2)) },
    { weight: 2, name: "answer in time again", act: some(endLateness) },
    { weight: 2, name: "slow watches", act: some((machine) => machine.lag(1500)) },
    { weight: 3, name: "drop connection", act: some((machine) => machine.dropConnection()) },
    { weight: 3, name: "compact", act: compact },
    { weight: 2, name: "etcd elects a leader", act: changeLeader },
    {
      weight: 0.7,
      name: "fill the store",
      act: () => {
        etcd.fill();
        return "NOSPACE";
      },
    },
    {
      weight: 3,
      name: "make room in the store",
      act: () => {
        etcd.makeRoom();
        return "again";
      },
    },
    { weight: 1, name: "corrupt a record", act: () => corruptKey(cluster, random) },
    {
      weight: 1,
      name: "repair records",
      act: () => {
        const count = cluster.corrupted.size;
        cluster.repair();
        return `${count}`;
      },
    },
  ];
}

function wayOfUsers(cluster: SimulatedCluster): readonly Action[] {
  const lose = (share: number) => (): string => {
    cluster.loseUsersReplies(share);
    return `${share}`;
  };
  return [
    { weight: 1, name: "lose replies to users", act: lose(0.4) },
    { weight: 2, name: "answer users again", act: lose(0) },
  ];
}

/** What is planned and disturbs nobody: also in runs in which nothing fails. */
export function plannedLeaves(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const leave = (): string => {
    const { machines } = cluster;
    // One at a time, and the others are there to take what it hands over.
    if (machines.some(({ report }) => report?.settled !== true)) return nothing;
    const machine = pick(random, machines);
    machine.leave();
    return machine.id.slice(0, 8);
  };
  const comeBack = (): string => {
    const machine = cluster.machines.find(({ up }) => !up);
    machine?.start();
    return machine?.id.slice(0, 8) ?? nothing;
  };
  return [
    { weight: 6, name: "leave in order", act: leave },
    { weight: 12, name: "come back", act: comeBack },
  ];
}

function endLateness(machine: SimulatedMachine): void {
  machine.loseReplies(0);
  machine.delayWrites(0);
  machine.lag(5);
}

function corruptKey(cluster: SimulatedCluster, random: Random): string {
  const below = pick(random, corruptible);
  const rows = cluster.rows(below).filter(({ key }) => !key.includes("@settled"));
  if (rows.length === 0) return nothing;
  const key = `${prefix}${below}${pick(random, rows).key}`;
  cluster.corrupt(key);
  return key;
}

function onSomeMachine(
  cluster: SimulatedCluster,
  random: Random,
): (act: (machine: SimulatedMachine) => void) => () => string {
  return (act) => () => {
    const machine = pick(random, cluster.machines);
    act(machine);
    return machine.id.slice(0, 8);
  };
}
