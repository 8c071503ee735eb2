import { type Benchmark, type Measurement, type Progress, type Scale, spreadOf } from "../benchmark.ts";
import { DirectSystemd } from "../direct-systemd.ts";
import { LabBench, unitNames } from "../lab-bench.ts";
import { cpuMs } from "../process-usage.ts";
import { settleMs, untilSettled } from "../quiet.ts";

const units = 1_000;
/** Two audits, and V8's own looks at a heap that has been quiet. */
const idleMs = 120_000;
const kills = 50;

export const busyAgent: Benchmark = {
  name: "busy-agent",
  what: `${units} units on one real machine: until all run, idle for ${idleMs / 1_000} s after ${settleMs / 1_000} s of rest, and when they fail`,
  runs: 1,
  run: (progress, scale) =>
    LabBench.with(1, progress, async (lab) => {
      const names = unitNames("busy", scale(units));
      const begunMs = performance.now();
      await lab.startAll(names);
      const seconds = (performance.now() - begunMs) / 1_000;
      progress(`${units} units run after ${seconds.toFixed(1)} s`);
      await untilSettled(lab, scale);
      return [
        { figure: `${units} units on one machine until all are active`, value: seconds, unit: "s" },
        ...(await beIdle(lab, progress, scale)),
        ...(await fail(lab, names, scale(kills), progress)),
      ];
    }),
};

async function beIdle(lab: LabBench, progress: Progress, scale: Scale): Promise<readonly Measurement[]> {
  const monitor = await DirectSystemd.monitor(lab.turn(0).machine.busSocket);
  try {
    const messagesBefore = monitor.counted;
    const cpuBefore = lab.fleetds.map(cpuMs);
    const begunMs = performance.now();
    // Idling takes as long as it takes: there is no condition to wait for.
    await new Promise((resolve) => setTimeout(resolve, scale(idleMs)));
    const messages = monitor.counted - messagesBefore;
    const ms = performance.now() - begunMs;
    const [share = Number.NaN] = lab.fleetds.map(
      (pid, index) => ((cpuMs(pid) - (cpuBefore[index] ?? 0)) / ms) * 100,
    );
    progress(`idle: CPU ${share.toFixed(2)} %, ${messages} D-Bus messages`);
    return [
      {
        figure: "CPU when idle",
        value: share,
        unit: "% of a core",
        bars: [{ of: "value", atMost: 0.5 }],
      },
      {
        figure: `D-Bus messages in ${idleMs / 1_000} s of idleness`,
        value: messages,
        unit: "messages",
        bars: [{ of: "value", atMost: 5 }],
      },
    ];
  } finally {
    await monitor.close();
  }
}

/** Kills units' processes: one after the other, then as many at once. */
async function fail(
  lab: LabBench,
  names: readonly string[],
  count: number,
  progress: Progress,
): Promise<readonly Measurement[]> {
  const systemd = await DirectSystemd.subscribed(lab.turn(0).machine.busSocket, true);
  try {
    const one = [];
    for (const name of names.slice(0, count)) one.push(...(await killed(lab, systemd, [name])));
    const all = await killed(lab, systemd, names.slice(count, 2 * count));
    progress(`one by one ${text(one)}; ${kills} at once ${text(all)}`);
    return [
      measurement("failure of one unit until its row shows it, slowest", one),
      measurement(`failure of ${kills} units at once until each row shows it, slowest`, all),
    ];
  } finally {
    await systemd.close();
  }
}

interface Seen {
  /** Milliseconds from the kill until systemd's signal was seen here. */
  readonly signalMs: number;
  /** And until the watch of etcd showed the row. */
  readonly rowMs: number;
}

async function killed(
  lab: LabBench,
  systemd: DirectSystemd,
  names: readonly string[],
): Promise<readonly Seen[]> {
  const signals = new Map<string, number>();
  const rows = new Map<string, number>();
  const endSignals = systemd.onUnit(({ unit, atMs }) => {
    if (!signals.has(unit)) signals.set(unit, atMs);
  });
  const endRows = lab.states.onRow((unit, row) => {
    if (row?.active === "failed" && !rows.has(unit)) rows.set(unit, performance.now());
  });
  const failed = lab.states.until(names, ({ active }) => active === "failed");
  const killedMs = performance.now();
  await Promise.all([failed, ...names.map((name) => systemd.killUnit(name))]);
  endSignals();
  endRows();
  return names.map((name) => ({
    signalMs: (signals.get(name) ?? Number.NaN) - killedMs,
    rowMs: (rows.get(name) ?? Number.NaN) - killedMs,
  }));
}

function measurement(figure: string, seen: readonly Seen[]): Measurement {
  return {
    figure,
    value: Math.max(...seen.map(({ rowMs }) => rowMs)),
    unit: "ms",
    limit: {
      what: "systemd's signal seen by a connection of our own, slowest",
      value: Math.max(...seen.map(({ signalMs }) => signalMs)),
    },
    bars: [{ of: "value", atMost: 100 }],
  };
}

function text(seen: readonly Seen[]): string {
  const rows = spreadOf(seen.map(({ rowMs }) => rowMs));
  const signals = spreadOf(seen.map(({ signalMs }) => signalMs));
  return `${rows.median.toFixed(1)} ms (up to ${rows.most.toFixed(1)}), signal ${signals.median.toFixed(1)} (up to ${signals.most.toFixed(1)})`;
}
