import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AgentBench, type AgentProcess, machineId, settledAgent, sleeper } from "./agent-bench.ts";

const unit = "a.service";
/** Its ExecStop takes 3 s, and it is enabled. */
const whole =
  "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 3\n\n[Install]\nWantedBy=default.target\n";
const slowStart = "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n";
const failing = "[Service]\nExecStart=/bin/false\n";

let bench: AgentBench;
let agent: AgentProcess;

beforeEach(async () => {
  ({ bench, agent } = await settledAgent());
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

async function launch(text: string): Promise<void> {
  await bench.assign(unit, text, "launched");
  await bench.clock.advance(300);
}

/** A fleetd that is killed takes its calls with it; the next one begins a second later. */
async function again(): Promise<void> {
  agent.kill();
  await bench.clock.advance(1_000);
  agent = bench.start();
  await bench.registered(agent);
}

/** The unit has been stopped once, to the end, before anything of it was taken away; and nothing of it is left. */
function expectUnloaded(): void {
  const history = bench.history(unit);
  expect(history.filter((kind) => kind === "stopped")).toHaveLength(1);
  const end = history.indexOf("stopped");
  for (const step of ["disabled", "removed", "forgotten"]) expect(history.indexOf(step)).toBeGreaterThan(end);
  expect(history.indexOf("disabled")).toBeLessThan(history.indexOf("removed"));
  expect(history.indexOf("removed")).toBeLessThan(history.lastIndexOf("forgotten"));
  expect(bench.systemd.files()).toEqual([]);
  expect(bench.systemd.enabled()).toEqual([]);
  expect(bench.systemd.running()).toEqual([]);
  expect(bench.row(unit)).toBeUndefined();
  expect(agent.agent.report().journal).toEqual([]);
}

describe("a unit is unloaded", () => {
  test("to the end of its stop, then disabled, removed and forgotten", async () => {
    await launch(whole);
    await bench.withdraw(unit);
    await bench.clock.advance(5_000);
    expectUnloaded();
  });

  test("while it is activating, without waiting for that", async () => {
    await launch(slowStart);
    expect(bench.row(unit)).toBe("activating start-pre launched");
    await bench.withdraw(unit);
    await bench.clock.advance(1_000);
    expect(bench.history(unit).slice(-4)).toEqual(["stop-queued", "start-cancelled", "removed", "forgotten"]);
    expect(bench.row(unit)).toBeUndefined();
  });

  test("when it has failed: its failure is forgotten with it", async () => {
    await launch(failing);
    expect(bench.row(unit)).toBe("failed failed launched");
    await bench.withdraw(unit);
    await bench.clock.advance(1_000);
    expect(bench.systemd.status(unit)).toEqual({ load: "not-found", active: "inactive", sub: "dead" });
    expect(bench.row(unit)).toBeUndefined();
  });

  test("to its end, when it is given back while it stops, and when it is given back with other content", async () => {
    for (const text of [whole, sleeper]) {
      const before = bench.history(unit).length;
      await launch(whole);
      await bench.withdraw(unit);
      await bench.clock.advance(1_000);
      await bench.assign(unit, text, "launched");
      await bench.clock.advance(1_000);
      expect(bench.row(unit)).toBe("deactivating stop");
      await bench.clock.advance(3_000);
      expect(bench.row(unit)).toBe("active running launched");
      expect(bench.systemd.read(unit)).toBe(text);
      const history = bench.history(unit).slice(before);
      expect(history.filter((kind) => kind === "stopped")).toHaveLength(1);
      expect(history.indexOf("removed")).toBeGreaterThan(history.indexOf("stopped"));
      expect(history.lastIndexOf("written")).toBeGreaterThan(history.indexOf("forgotten"));
      await bench.withdraw(unit);
      await bench.clock.advance(5_000);
    }
  });

  test("once, when its content is replaced twice while it stops: what comes last is loaded", async () => {
    await launch(whole);
    await bench.assign(unit, slowStart, "launched");
    await bench.clock.advance(1_000);
    await bench.assign(unit, sleeper, "launched");
    await bench.clock.advance(5_000);
    expect(bench.systemd.read(unit)).toBe(sleeper);
    expect(bench.history(unit).filter((kind) => kind === "written")).toHaveLength(2);
    expect(bench.row(unit)).toBe("active running launched");
  });
});

describe("fleetd killed while it unloads a unit", () => {
  // Every write of the journal and every call of systemd lies in one of these milliseconds: those of the stop's begin, and
  // those of its end.
  const moments = [
    ...Array.from({ length: 25 }, (_, ms) => ms),
    ...Array.from({ length: 40 }, (_, ms) => 2_990 + ms),
  ];

  test.each(moments)("after %d ms: the next one ends it", async (ms) => {
    await launch(whole);
    await bench.withdraw(unit);
    await bench.clock.advance(ms);
    await again();
    await bench.settle(agent.agent);
    await bench.clock.advance(10_000);
    expectUnloaded();
  });

  const calls = [
    ["the stop", () => hang(agent.manager, "stop")],
    ["disabling", () => hang(agent.manager, "disable")],
    ["removing the file", () => hang(agent.directory, "remove")],
    ["forgetting", () => hang(agent.manager, "forget")],
  ] as const;
  const cases = calls.flatMap(([what, hangAt]) =>
    (["before", "after"] as const).map((when) => [when, what, hangAt] as const),
  );

  test.each(cases)("%s %s: the next one ends it", async (when, _, hangAt) => {
    await launch(whole);
    const begun = hangAt()(when);
    await bench.withdraw(unit);
    await bench.clock.advanceUntil(begun, 10_000);
    await again();
    await bench.settle(agent.agent);
    await bench.clock.advance(10_000);
    expectUnloaded();
  });

  test("the unit being given back meanwhile: it is unloaded first, then loaded anew", async () => {
    await launch(whole);
    await bench.withdraw(unit);
    await bench.clock.advance(1_000);
    agent.kill();
    await bench.assign(unit, sleeper, "launched");
    await again();
    await bench.clock.advance(10_000);
    const history = bench.history(unit);
    expect(history.filter((kind) => kind === "stopped")).toHaveLength(1);
    expect(history.lastIndexOf("written")).toBeGreaterThan(history.indexOf("forgotten"));
    expect(bench.row(unit)).toBe("active running launched");
    expect(bench.systemd.read(unit)).toBe(sleeper);
  });

  test("in the middle of leaving: the next one ends the stop, and keeps what is given to it", async () => {
    await launch(whole);
    void agent.agent.leave();
    await bench.clock.advance(1_000);
    await again();
    await bench.settle(agent.agent);
    await bench.clock.advance(10_000);
    const history = bench.history(unit);
    expect(history.filter((kind) => kind === "stopped")).toHaveLength(1);
    expect(history.indexOf("removed")).toBeGreaterThan(history.indexOf("stopped"));
    // Nobody has taken it away from this machine yet: that is what the word of leaving would have been for.
    expect(bench.row(unit)).toBe("active running launched");
    expect(JSON.parse(machineRow()).leaving).toBe(false);
  });
});

function machineRow(): string {
  return bench.etcd.range({ from: `/fleet/machines/${machineId}` }).rows[0]?.value ?? "{}";
}

/** From now on a call never returns, `before` or `after` it was carried out; tells whether it has been made. */
function hang<Name extends string>(
  port: { [Key in Name]: (name: string, signal: AbortSignal) => Promise<void> },
  name: Name,
): (when: "before" | "after") => () => boolean {
  return (when) => {
    let begun = false;
    const original = port[name].bind(port);
    port[name] = async (unitName, signal) => {
      if (when === "after") await original(unitName, signal);
      begun = true;
      await new Promise<never>(() => {});
    };
    return () => begun;
  };
}
