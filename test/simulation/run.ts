import { checkConverged } from "./converged.ts";
import { disasters } from "./disasters.ts";
import { faults, plannedLeaves } from "./faults.ts";
import { Invariants } from "./invariants.ts";
import { leavesWhileItStops, narrowWindows } from "./narrow-windows.ts";
import { type Action, nothing, requests } from "./requests.ts";
import { RunLog } from "./run-log.ts";
import { metadata } from "./scenery.ts";
import { seededRandom } from "./seeded-random.ts";
import { SimulatedClock } from "./simulated-clock.ts";
import { SimulatedCluster } from "./simulated-cluster.ts";
import { auditIntervalMs, latestFormat } from "./simulated-machine.ts";

export interface RunOptions {
  /** No fault is injected, so that not even a lost machine may explain a double run. */
  readonly calm: boolean;
  /** 500 unless given. */
  readonly steps?: number;
  /** Hears each line of the trace as it comes about. */
  readonly onTrace?: (line: string) => void;
  /** Hears what is about to be done, which may never end. */
  readonly onBegin?: (line: string) => void;
  /** Called now and then while the cluster comes to rest. */
  readonly onAlive?: () => void;
}

export interface RunReport {
  readonly steps: number;
  readonly simulatedMs: number;
  /** How often each fault and each request was made. */
  readonly counts: ReadonlyMap<string, number>;
  /** All that every systemd did and when, and what the store ended with. */
  readonly story: string;
}

/** A run failed. The message names the seed and tells what was done, so that it can be read and replayed. */
export class SimulationFailure extends Error {
  readonly seed: number;
  readonly reason: string;

  constructor(seed: number, trace: readonly string[], log: RunLog, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const parts = [
      `seed ${seed}: ${reason}`,
      "the last that was done:",
      ...trace.slice(-40),
      "the last that was logged:",
      ...log.lines.slice(-80),
    ];
    super(parts.join("\n"), { cause });
    this.seed = seed;
    this.reason = reason;
  }
}

const maxStepMs = 1200;
/** Between two thorough looks. */
const lookMs = 100;
/** Longer than an engine's audit takes to come round, which must find nothing to write, and than an exclusive unit is waited for. */
const quietMs = auditIntervalMs + 5_000;
const maxSettlingMs = 900_000;

/** One cluster's life from one seed: the same seed gives the same run. */
export async function run(seed: number, options: RunOptions): Promise<RunReport> {
  const { calm, steps = 500 } = options;
  const random = seededRandom(seed);
  const clock = new SimulatedClock();
  const log = new RunLog(clock);
  const cluster = new SimulatedCluster(seed, metadata.slice(0, 5 + Math.floor(random() * 2)), {
    clock,
    logger: log.logger(),
  });
  const invariants = new Invariants(cluster, calm);
  clock.onSettled = () => invariants.check();
  const trace: string[] = [];
  const stamped = (line: string): string => `${(clock.monotonic() / 1000).toFixed(3)} s ${line}`;
  const note = (line: string): void => {
    trace.push(stamped(line));
    options.onTrace?.(stamped(line));
  };
  const pass = (durationMs: number): Promise<void> => watch(cluster, invariants, log, durationMs);
  const actions = [
    ...requests(cluster, random),
    ...(calm
      ? plannedLeaves(cluster, random)
      : [
          ...faults(cluster, random),
          ...narrowWindows({ cluster, random, pass }),
          ...disasters({ cluster, random, pass }),
        ]),
  ];
  const counts = new Map<string, number>();
  const count = (name: string, times = 1): void => {
    counts.set(name, (counts.get(name) ?? 0) + times);
  };
  try {
    await cluster.start();
    for (let step = 0; step < steps; step += 1) {
      const action = draw(actions, random());
      options.onBegin?.(stamped(action.name));
      const told = await action.act();
      note(`${action.name} ${told}`);
      if (told !== nothing) count(action.name);
      await pass(random() * random() * maxStepMs);
    }
    if (!calm) crashUnheard(cluster);
    note("faults end");
    options.onBegin?.(stamped("the cluster comes to rest"));
    const rest = async (): Promise<void> => {
      await endFaults(cluster, pass, () => options.onAlive?.());
      checkConverged(cluster);
    };
    await rest();
    if (!calm) {
      await leavesWhileItStops({ cluster, pass });
      note("faults end again");
      await rest();
    }
    invariants.checkEnded();
    for (const [name, times] of invariants.seen()) count(`seen: ${name}`, times);
  } catch (cause) {
    throw new SimulationFailure(seed, trace, log, cause);
  } finally {
    clock.onSettled = () => {};
    cluster.close();
  }
  return { steps, simulatedMs: clock.monotonic(), counts, story: storyOf(cluster) };
}

function draw(actions: readonly Action[], random: number): Action {
  let left = random * actions.reduce((sum, { weight }) => sum + weight, 0);
  const drawn = actions.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
  if (drawn === undefined) throw new Error("there is nothing to do");
  return drawn;
}

function storyOf(cluster: SimulatedCluster): string {
  const lives = cluster.machines.map(({ id, systemd }) => ({ id, history: systemd.history }));
  return JSON.stringify({ lives, revision: cluster.etcd.truth.revision, rows: cluster.rows("") });
}

/** Lets time pass. Everything is checked after each thing that happens, and thoroughly in small steps. */
async function watch(
  cluster: SimulatedCluster,
  invariants: Invariants,
  log: RunLog,
  durationMs: number,
): Promise<void> {
  for (let passed = 0; passed < durationMs; passed += lookMs) {
    await cluster.clock.advance(Math.min(lookMs, durationMs - passed));
    invariants.checkThoroughly();
    log.check();
  }
}

/** The last fault: a unit of each machine crashes while signals are lost. Nothing will happen to it that would tell of it. */
function crashUnheard(cluster: SimulatedCluster): void {
  for (const machine of cluster.machines) {
    machine.loseSystemd("signals");
    const unit = machine.systemd.running().find((name) => machine.systemd.status(name).active === "active");
    if (unit !== undefined) machine.systemd.crash(unit);
  }
}

/**
 * Everything heals; the cluster must then come to rest in its time (some requests to restart units are slow ones, and
 * wait for each other), and write nothing more.
 */
async function endFaults(
  cluster: SimulatedCluster,
  pass: (durationMs: number) => Promise<void>,
  onAlive: () => void,
): Promise<void> {
  const { clock, etcd } = cluster;
  cluster.repair();
  cluster.loseUsersReplies(0);
  etcd.makeRoom();
  // Where the data format has risen the others can do nothing any more. Who need not be started anew is not: what it has missed
  // must come right by itself.
  const risen = cluster
    .rows("")
    .some(({ key, value }) => key === "cluster" && JSON.parse(value).format === latestFormat);
  for (const machine of cluster.machines) {
    machine.resume();
    machine.heal();
    machine.healSystemd();
    machine.loseReplies(0);
    machine.delayWrites(0);
    if (machine.version === "older" || (risen && machine.version !== "next")) {
      machine.install(risen ? "next" : "present");
      machine.kill();
    }
    machine.start();
  }
  let quietSinceMs = clock.monotonic();
  let revision = etcd.truth.revision;
  const deadlineMs = quietSinceMs + maxSettlingMs;
  while (clock.monotonic() - quietSinceMs < quietMs) {
    await pass(500);
    onAlive();
    for (const machine of cluster.machines) {
      machine.start();
      // It joined what was there instead of the cluster while it remembered none: an operator makes it forget that.
      if (machine.frozen === "cluster_foreign") machine.reboot();
      // The data format has risen since, before it was back: an operator upgrades it.
      if (machine.frozen === "cluster_format" && machine.version !== "next") {
        machine.install("next");
        machine.kill();
      }
    }
    if (etcd.truth.revision !== revision) {
      revision = etcd.truth.revision;
      quietSinceMs = clock.monotonic();
    }
    if (clock.monotonic() > deadlineMs) throw new Error("the cluster does not come to rest");
  }
}
