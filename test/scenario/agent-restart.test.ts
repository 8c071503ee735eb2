import { FleetError } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type AgentBench,
  type AgentProcess,
  machineId,
  settledAgent,
  sleeper,
  slowStop,
} from "./agent-bench.ts";

const unit = "a.service";
const slowStart = "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n";
const oneshot = "[Service]\nType=oneshot\nExecStart=/bin/true\n";
const fails = "[Service]\nExecStart=/bin/false\n";

let bench: AgentBench;
let agent: AgentProcess;

beforeEach(async () => {
  ({ bench, agent } = await settledAgent());
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

/** A fleetd that is killed takes its calls with it; the next one begins a second later. */
async function again(): Promise<void> {
  agent.kill();
  await bench.clock.advance(1_000);
  agent = bench.start();
  await bench.registered(agent);
}

async function launch(text: string): Promise<void> {
  await bench.assign(unit, text, "launched");
  await bench.clock.advance(300);
}

const invocations = (): number =>
  new Set(bench.systemd.history.filter(({ kind }) => kind === "started").map((event) => event.invocation))
    .size;
/** The row's number and states: `65 active running`. */
function restartRow(): string {
  const [row] = bench.etcd.range({ from: `/fleet/states/${machineId}/${unit}` }).rows;
  const { restart, active, sub } = JSON.parse(row?.value ?? "{}");
  return `${restart?.number ?? "none"} ${active} ${sub}${restart?.refused === undefined ? "" : " refused"}`;
}

describe("an agent that is to restart a unit", () => {
  test("does once, says so, and never again for that number or a lower one", async () => {
    await launch(sleeper);
    await bench.restart(unit, 65);
    await bench.clock.advance(300);
    expect(bench.history(unit).slice(-3)).toEqual(["restart-queued", "stopped", "started"]);
    expect(restartRow()).toBe("65 active running");
    await bench.restart(unit, 64);
    await bench.restart(unit, 65);
    await bench.restart(unit, undefined);
    await again();
    await bench.clock.advance(1_000);
    expect(invocations()).toBe(2);
    await bench.restart(unit, 66);
    await bench.clock.advance(300);
    expect(invocations()).toBe(3);
  });

  test("tells of it only when the old invocation has ended", async () => {
    await launch(slowStop);
    await bench.restart(unit, 65);
    const seen = new Set<string>();
    for (let ms = 0; ms < 4_000; ms += 10) {
      await bench.clock.advance(10);
      seen.add(restartRow());
    }
    expect([...seen]).toEqual(["none deactivating stop", "65 active running"]);
  });

  test("never tells of it with a state that systemd gave before", async () => {
    await launch(slowStop);
    const { manager } = agent;
    const status = manager.status.bind(manager);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    // The answer is of the moment of the question, and takes longer than the restart.
    manager.status = async (names) => {
      const answer = await status(names);
      await held;
      return answer;
    };
    await bench.restart(unit, 65);
    await bench.clock.advance(4_000);
    expect(agent.agent.report().journal).toMatchObject([{ restart: { number: 65 } }]);
    const seen = new Set<string>();
    release();
    for (let ms = 0; ms < 100; ms += 1) {
      await bench.clock.advance(1);
      seen.add(restartRow());
    }
    expect([...seen].filter((row) => row.startsWith("65"))).toEqual(["65 active running"]);
  });

  test("tells of a slow start while it lasts, and stops it when asked to", async () => {
    await launch(sleeper);
    await bench.assign(unit, slowStart, "launched");
    await bench.clock.advance(61_000);
    await bench.restart(unit, 65);
    await bench.clock.advance(300);
    expect(restartRow()).toBe("65 activating start-pre");
    await bench.assign(unit, slowStart, "loaded");
    await bench.clock.advance(300);
    expect(bench.row(unit)).toBe("inactive dead");
  });

  test("gives a restart up that is stopping the unit when it is to be stopped instead", async () => {
    await launch(slowStop);
    await bench.restart(unit, 65);
    await bench.clock.advance(1_000);
    await bench.assign(unit, slowStop, "loaded");
    await bench.clock.advance(5_000);
    expect(invocations()).toBe(1);
    expect(bench.row(unit)).toBe("inactive dead");
  });

  test("has its row although the order was taken back before the row was there again", async () => {
    await launch(sleeper);
    const { manager } = agent;
    const status = manager.status.bind(manager);
    manager.status = () =>
      Promise.reject(new FleetError("systemd_unavailable", "no connection", { retryable: true }));
    // Its lease ends, and its rows with it.
    agent.store.cut();
    await bench.clock.advance(6_000);
    agent.store.heal();
    await bench.registered(agent);
    await bench.restart(unit, 65);
    await bench.clock.advance(1_000);
    await bench.restart(unit, undefined);
    await bench.clock.advance(1_000);
    expect(bench.row(unit)).toBeUndefined();
    manager.status = status;
    await bench.clock.advance(60_000);
    expect(bench.row(unit)).toBe("active running launched");
    expect(invocations()).toBe(1);
  });

  test("starts a unit that has failed, or finished, and tells what became of it", async () => {
    await launch(fails);
    await bench.restart(unit, 65);
    await bench.clock.advance(300);
    expect(restartRow()).toBe("65 failed failed");
    await bench.assign("once.service", oneshot, "launched");
    await bench.clock.advance(300);
    await bench.restart("once.service", 66);
    await bench.clock.advance(300);
    expect(bench.history("once.service").filter((kind) => kind === "finished")).toHaveLength(2);
  });

  test("passes on that systemd refuses", async () => {
    await launch(fails);
    bench.systemd.behave(unit, { load: "bad-setting" });
    await bench.restart(unit, 65);
    await bench.clock.advance(300);
    expect(restartRow()).toMatch(/^65 .* refused$/);
  });

  test("passes on that systemd knows no unit of that name, and does not ask for ever", async () => {
    await launch(sleeper);
    let asked = 0;
    agent.manager.invocation = async () => {
      asked += 1;
      throw new FleetError("systemd_refused", `systemd knows no unit ${unit}`);
    };
    await bench.restart(unit, 65);
    await bench.clock.advance(60_000);
    expect(restartRow()).toMatch(/^65 .* refused$/);
    expect(asked).toBe(1);
  });

  test("starts a unit that is launched with the restart, once", async () => {
    await bench.assign(unit, sleeper, "loaded");
    await bench.clock.advance(300);
    await bench.assign(unit, sleeper, "launched", [], 65);
    await bench.clock.advance(300);
    expect(bench.history(unit).slice(1)).toEqual(["restart-queued", "started"]);
    expect(restartRow()).toBe("65 active running");
  });

  test("starts a unit that arrives with the restart, once", async () => {
    await bench.assign(unit, sleeper, "launched", [], 65);
    await bench.clock.advance(300);
    expect(bench.history(unit).slice(1)).toEqual(["restart-queued", "started"]);
    expect(restartRow()).toBe("65 active running");
  });
});

describe("fleetd killed while it restarts a unit", () => {
  // Every write of the journal and every call of systemd lies in one of these milliseconds.
  test.each(Array.from({ length: 30 }, (_, index) => index))(
    "%d ms after it was told to: one new invocation",
    async (ms) => {
      await launch(slowStop);
      await bench.restart(unit, 65);
      await bench.clock.advance(ms);
      await again();
      await bench.clock.advance(10_000);
      expect(invocations()).toBe(2);
      expect(restartRow()).toBe("65 active running");
    },
  );

  test.each([
    ["is noted", "put", 1],
    ["has been carried out", "put", 2],
  ] as const)("before it %s in the journal: one new invocation", async (_, __, nth) => {
    agent.kill();
    await bench.clock.advance(1_000);
    let puts = 0;
    let counting = false;
    agent = bench.start({
      journal: (journal) => ({
        ...journal,
        put: (entry) => {
          puts += counting ? 1 : 0;
          // The process dies in the middle of it.
          return puts === nth ? new Promise<never>(() => {}) : journal.put(entry);
        },
      }),
    });
    await bench.registered(agent);
    await launch(sleeper);
    counting = true;
    await bench.restart(unit, 65);
    await bench.clock.advance(1_000);
    expect(puts).toBe(nth);
    await again();
    await bench.clock.advance(3_000);
    expect(invocations()).toBe(2);
    expect(restartRow()).toBe("65 active running");
  });

  test("and systemd's answer lost: one new invocation", async () => {
    await launch(sleeper);
    agent.manager.loseReplies(true);
    await bench.restart(unit, 65);
    await bench.clock.advance(2_000);
    agent.manager.loseReplies(false);
    await bench.clock.advance(60_000);
    expect(invocations()).toBe(2);
    expect(restartRow()).toBe("65 active running");
  });
});
