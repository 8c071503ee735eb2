import { Etcd3, type Watcher } from "etcd3";
import {
  type Benchmark,
  type Measurement,
  type Progress,
  percentile,
  type Scale,
  spreadOf,
} from "../benchmark.ts";
import { whileMovingProcesses } from "../cgroup-moves.ts";
import type { DirectSystemd } from "../direct-systemd.ts";
import { LabBench, unitNames } from "../lab-bench.ts";
import { isRunning } from "../state-rows.ts";

const machines = 3;
const repetitions = 60;
const warmUps = 20;
const restMs = 60;

export const oneUnit: Benchmark = {
  name: "one-unit",
  what: `one unit on ${machines} real machines, from the acknowledged intent until the watch shows it running, ${repetitions} times`,
  runs: 3,
  run: (progress, scale) => LabBench.with(machines, progress, (lab) => startOneByOne(lab, progress, scale)),
};

interface Times {
  readonly asked: number[];
  readonly acknowledged: number[];
  readonly puts: number[];
  readonly starts: number[];
}

async function startOneByOne(
  lab: LabBench,
  progress: Progress,
  scale: Scale,
): Promise<readonly Measurement[]> {
  const rounds = await RoundTrips.open(lab.cluster.etcd.endpoints);
  try {
    await measure(lab, rounds, unitNames("warm-up", scale(warmUps)));
    const resting = await measure(lab, rounds, unitNames("one", scale(repetitions)));
    const moving = await whileMovingProcesses(() =>
      measure(lab, rounds, unitNames("moving", scale(repetitions))),
    );
    progress(`kernel at rest: ${text(resting)}`);
    progress(`kernel kept moving processes: ${text(moving)}`);
    return [...figures("", resting), ...figures(", kernel kept moving processes between cgroups", moving)];
  } finally {
    await rounds.close();
  }
}

/** Ours and the limit in turns, so that what else the host does meets both. */
async function measure(lab: LabBench, rounds: RoundTrips, names: readonly string[]): Promise<Times> {
  const times: Times = { asked: [], acknowledged: [], puts: [], starts: [] };
  await lab.direct(async (systemds) => {
    for (const [index, name] of names.entries()) {
      const machine = lab.turn(index);
      await rest();
      const running = lab.states.until([name], isRunning).then(() => performance.now());
      const askedMs = performance.now();
      await lab.launch(name, machine);
      const acknowledgedMs = performance.now();
      const runningMs = await running;
      times.asked.push(runningMs - askedMs);
      times.acknowledged.push(Math.max(0, runningMs - acknowledgedMs));
      times.puts.push(await timed(() => rounds.three()));
      const direct = `direct-${name}`;
      lab.writeDirectly(machine, [direct]);
      await rest();
      const systemd = at(systemds, index);
      times.starts.push(await timed(() => systemd.start(direct)));
    }
  });
  await lab.destroyAll(names);
  return times;
}

function text({ asked, acknowledged, puts, starts }: Times): string {
  return `running ${median(acknowledged).toFixed(1)} ms after acknowledgement (90th percentile ${percentile(acknowledged, 0.9).toFixed(1)}), ${median(asked).toFixed(1)} after the request; three puts ${median(puts).toFixed(1)} ms, StartUnit ${median(starts).toFixed(1)} ms`;
}

function figures(state: string, { asked, acknowledged, puts, starts }: Times): readonly Measurement[] {
  const limit = {
    what: "three sequential puts with their watch round trips and StartUnit until its job's end",
    value: median(puts.map((ms, index) => ms + (starts[index] ?? Number.NaN))),
  };
  return [
    {
      figure: `intent acknowledged until seen running, median${state}`,
      value: median(acknowledged),
      unit: "ms",
      limit,
      bars: [
        { of: "ratio", atMost: 3 },
        { of: "value", atMost: 25 },
      ],
    },
    { figure: `intent sent until seen running, median${state}`, value: median(asked), unit: "ms", limit },
    { figure: `of the limit StartUnit, median${state}`, value: median(starts), unit: "ms" },
  ];
}

function median(values: readonly number[]): number {
  return spreadOf(values).median;
}

/** Before each start, ours or not: what the kernel has to wait for depends on when it last moved a process to a cgroup. */
function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, restMs));
}

function at(systemds: readonly DirectSystemd[], index: number): DirectSystemd {
  const systemd = systemds[index % systemds.length];
  if (systemd === undefined) throw new Error("there is no systemd");
  return systemd;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begunMs = performance.now();
  await work();
  return performance.now() - begunMs;
}

/** Puts of a key, each seen through a watch. */
class RoundTrips {
  readonly #client: Etcd3;
  readonly #watcher: Watcher;
  #seen: (value: string) => void = () => {};
  #count = 0;

  private constructor(client: Etcd3, watcher: Watcher) {
    this.#client = client;
    this.#watcher = watcher;
    watcher.on("put", ({ value }) => this.#seen(value.toString("utf8")));
  }

  static async open(endpoints: readonly string[]): Promise<RoundTrips> {
    const client = new Etcd3({ hosts: [...endpoints] });
    return new RoundTrips(client, await client.watch().key("/bench/round").create());
  }

  async three(): Promise<void> {
    for (let put = 0; put < 3; put += 1) {
      this.#count += 1;
      const value = String(this.#count);
      const seen = new Promise<void>((resolve) => {
        this.#seen = (current) => {
          if (current === value) resolve();
        };
      });
      await Promise.all([this.#client.put("/bench/round").value(value), seen]);
    }
  }

  async close(): Promise<void> {
    await this.#watcher.cancel();
    this.#client.close();
  }
}
