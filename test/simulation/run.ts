import type { TargetState } from "@fleet/core";
import type { Random } from "@fleet/runtime";
import { checkConverged, Invariants } from "./invariants.ts";
import { pick, seededRandom } from "./seeded-random.ts";
import { SimulatedCluster } from "./simulated-cluster.ts";

export interface RunReport {
  readonly steps: number;
  /** How often each fault and each request was made. */
  readonly counts: ReadonlyMap<string, number>;
  /** All that every systemd did and when, and what the store ended with. */
  readonly story: string;
}

/** A run failed. The message names the seed and tells what was done, so that it can be read and replayed. */
class SimulationFailure extends Error {
  constructor(seed: number, trace: readonly string[], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `seed ${seed}: ${reason}\n${trace.join("\n")}\nreplay: SEED=${seed} npx vitest run --project simulation`,
      {
        cause,
      },
    );
  }
}

const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
const contents: readonly string[] = [
  sleeper,
  `${sleeper}ExecStop=/bin/sleep 3\n`,
  `${sleeper}ExecStartPre=/bin/sleep 8\n`,
  "[Service]\nType=oneshot\nExecStart=/bin/true\n",
  "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n",
  "[Service]\nExecStart=/bin/false\n",
  `${sleeper}\n[Install]\nWantedBy=default.target\n`,
];

/** Units of every kind of requirement; each name always asks the same of its machine. */
const requirements: readonly (readonly [unit: string, xFleet: string])[] = [
  ["plain-1.service", ""],
  ["plain-2.service", ""],
  ["web@1.service", "Conflicts=web@*.service\n"],
  ["web@2.service", "Conflicts=web@*.service\n"],
  ["web@3.service", "Conflicts=web@*.service\n"],
  ["side@1.service", "MachineOf=web@1.service\n"],
  ["side-of-side.service", "MachineOf=side@1.service\n"],
  ["disk.service", "MachineMetadata=disk=ssd\n"],
  ["pinned.service", `MachineID=${"2".repeat(32)}\n`],
  ["pusher.service", "Replaces=plain-*.service\n"],
  ["global.service", "Global=true\n"],
  ["global-disk.service", "Global=true\nMachineMetadata=disk=ssd\n"],
];

const metadata: readonly Readonly<Record<string, string>>[] = [
  { disk: "ssd" },
  { disk: "hdd" },
  { disk: "ssd" },
  {},
];

const targets: readonly TargetState[] = ["launched", "launched", "launched", "loaded", "inactive"];
const stepCount = 40;
const maxStepMs = 3000;

interface Action {
  readonly weight: number;
  readonly name: string;
  readonly act: () => Promise<string> | string;
}

function userActions(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const ask = async (): Promise<string> => {
    const [unit, xFleet] = pick(random, requirements);
    const target = pick(random, targets);
    const isNew = !cluster.acknowledged.has(unit) || random() < 0.2;
    const text = `${pick(random, contents)}${xFleet === "" ? "" : `\n[X-Fleet]\n${xFleet}`}`;
    await cluster.ask(unit, target, isNew ? text : undefined);
    return `${unit} ${target}${isNew ? " with new content" : ""}`;
  };
  const destroy = async (): Promise<string> => {
    const [unit] = pick(random, requirements);
    await cluster.destroy(unit);
    return unit;
  };
  const restart = async (): Promise<string> => {
    const candidates = [...cluster.acknowledged].filter(([, { target }]) => target !== "inactive");
    const units = candidates.map(([unit]) => unit).filter(() => random() < 0.6);
    const parallel = random() < 0.6 ? 1 : 2;
    const id = units.length === 0 ? undefined : await cluster.restart(units, parallel);
    return id === undefined ? "nothing" : `${units.join(" ")}, ${parallel} at a time`;
  };
  const cancel = async (): Promise<string> => {
    const [oldest] = cluster.rows("restarts/").filter(({ value }) => value.includes('"running"'));
    if (oldest !== undefined) await cluster.cancelRestart(oldest.key);
    return oldest?.key ?? "nothing";
  };
  return [
    { weight: 12, name: "ask", act: ask },
    { weight: 3, name: "restart", act: restart },
    { weight: 1, name: "cancel restart", act: cancel },
    { weight: 2, name: "destroy", act: destroy },
  ];
}

function faults(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const some = (act: (machine: SimulatedCluster["machines"][number]) => void) => (): string => {
    const machine = pick(random, cluster.machines);
    act(machine);
    return machine.id.slice(0, 8);
  };
  const compact = (): string => {
    cluster.etcd.compact();
    return `to ${cluster.etcd.revision}`;
  };
  return [
    { weight: 3, name: "kill fleetd", act: some((machine) => machine.kill()) },
    { weight: 6, name: "start fleetd", act: some((machine) => machine.start()) },
    { weight: 1, name: "leave", act: some((machine) => machine.leave()) },
    { weight: 2, name: "cut off", act: some((machine) => machine.cutOff()) },
    { weight: 3, name: "heal", act: some((machine) => machine.heal()) },
    { weight: 1, name: "reboot", act: some((machine) => machine.reboot()) },
    { weight: 1, name: "lose replies", act: some((machine) => machine.loseReplies(0.3)) },
    { weight: 1, name: "delay writes", act: some((machine) => machine.delayWrites(0.2)) },
    { weight: 1, name: "compact", act: compact },
  ];
}

/** One cluster's life from one seed: the same seed gives the same run. */
export async function run(seed: number, options: { readonly calm: boolean }): Promise<RunReport> {
  const random = seededRandom(seed);
  const cluster = new SimulatedCluster(seed, metadata);
  const invariants = new Invariants(cluster, options.calm);
  const trace: string[] = [];
  const counts = new Map<string, number>();
  const actions = [...userActions(cluster, random), ...(options.calm ? [] : faults(cluster, random))];
  const all = actions.flatMap((action) => Array.from({ length: action.weight }, () => action));
  try {
    await cluster.start();
    for (let step = 0; step < stepCount; step += 1) {
      const action = pick(random, all);
      trace.push(`${(cluster.clock.monotonic() / 1000).toFixed(3)} s ${action.name} ${await action.act()}`);
      counts.set(action.name, (counts.get(action.name) ?? 0) + 1);
      await watch(cluster, invariants, random() * random() * maxStepMs);
    }
    trace.push(`${(cluster.clock.monotonic() / 1000).toFixed(3)} s faults end`);
    await endFaults(cluster, invariants);
    checkConverged(cluster);
    invariants.checkRestartsEnded();
  } catch (cause) {
    throw new SimulationFailure(seed, trace, cause);
  } finally {
    cluster.close();
  }
  return { steps: stepCount, counts, story: storyOf(cluster) };
}

function storyOf(cluster: SimulatedCluster): string {
  const lives = cluster.machines.map(({ id, systemd }) => ({ id, history: systemd.history }));
  return JSON.stringify({ lives, revision: cluster.etcd.revision, rows: cluster.rows("") });
}

/** Lets time pass in small steps, so that no moment goes unseen. */
async function watch(cluster: SimulatedCluster, invariants: Invariants, durationMs: number): Promise<void> {
  for (let passed = 0; passed < durationMs; passed += 100) {
    await cluster.clock.advance(Math.min(100, durationMs - passed));
    invariants.check();
  }
}

/**
 * Everything heals; the cluster must then come to rest within ten minutes (some requests to restart units are
 * slow ones, and wait for each other), and write nothing more.
 */
async function endFaults(cluster: SimulatedCluster, invariants: Invariants): Promise<void> {
  for (const machine of cluster.machines) {
    machine.heal();
    machine.loseReplies(0);
    machine.delayWrites(0);
    machine.start();
  }
  let quietSince = cluster.clock.monotonic();
  let revision = cluster.etcd.revision;
  const deadline = quietSince + 600_000;
  while (cluster.clock.monotonic() - quietSince < 20_000) {
    await watch(cluster, invariants, 500);
    for (const machine of cluster.machines) machine.start();
    if (cluster.etcd.revision !== revision) {
      revision = cluster.etcd.revision;
      quietSince = cluster.clock.monotonic();
    }
    if (cluster.clock.monotonic() > deadline) throw new Error("the cluster does not come to rest");
  }
}
