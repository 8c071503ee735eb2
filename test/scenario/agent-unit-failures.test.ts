import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AgentBench, type AgentProcess, settledAgent, sleeper } from "./agent-bench.ts";

const failing = "[Unit]\nStartLimitBurst=1\n[Service]\nExecStart=/bin/false\n";
const badInstall = "[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nAlias=other.socket\n";
const oneshot = "[Service]\nType=oneshot\nExecStart=/bin/true\n";

let bench: AgentBench;
let agent: AgentProcess;

beforeEach(async () => {
  ({ bench, agent } = await settledAgent());
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

/** How often the unit's main process has run. */
function runs(unit: string): number {
  return bench.history(unit).filter((kind) => kind === "started").length;
}

describe("an agent with units that fail", () => {
  test("reports a failure and starts nothing again by itself", async () => {
    await bench.assign("a.service", failing, "launched");
    await bench.clock.advance(3_600_000);
    expect(bench.row("a.service")).toBe("failed failed launched");
    expect(bench.starts("a.service")).toBe(1);
  });

  test("asked to try again, it starts what has failed, past systemd's limit of starts", async () => {
    await bench.assign("a.service", failing, "launched");
    await bench.clock.advance(200);
    for (const tries of [2, 3]) {
      await bench.retry("a.service");
      await bench.clock.advance(200);
      expect(runs("a.service")).toBe(tries);
      expect(bench.row("a.service")).toBe("failed failed launched");
    }
  });

  test("asked to try again, it leaves alone what has not failed", async () => {
    await bench.assign("run.service", sleeper, "launched");
    await bench.assign("once.service", oneshot, "launched");
    await bench.assign("hand.service", sleeper, "launched");
    await bench.clock.advance(200);
    bench.systemd.stop("hand.service", () => {});
    for (const unit of ["run.service", "once.service", "hand.service"]) await bench.retry(unit);
    await bench.clock.advance(1000);
    for (const unit of ["run.service", "once.service", "hand.service"]) expect(bench.starts(unit)).toBe(1);
    // It has been dealt with: a later failure is another matter.
    bench.systemd.crash("run.service");
    await bench.clock.advance(1000);
    expect(bench.starts("run.service")).toBe(1);
  });

  test("a try that reaches a machine before the intent itself is a start like any other", async () => {
    agent.store.cut();
    await bench.assign("a.service", sleeper, "launched");
    await bench.retry("a.service");
    agent.store.heal();
    await bench.clock.advance(20_000);
    expect(bench.row("a.service")).toBe("active running launched");
  });

  test("killed after it has asked systemd, its successor does not start the unit twice", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    bench.systemd.crash("a.service");
    await bench.clock.advance(200);
    await bench.retry("a.service");
    await bench.clock.advanceUntil(() => bench.starts("a.service") === 2, 1000, 1);
    agent.kill();
    agent = bench.start();
    await bench.registered(agent);
    await bench.clock.advance(1000);
    expect(bench.starts("a.service")).toBe(2);
    expect(bench.row("a.service")).toBe("active running launched");
  });

  test("tries a unit that could not be enabled from the start", async () => {
    await bench.assign("a.service", badInstall, "launched");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBe("failed failed launched");
    bench.systemd.behave("a.service", { refusesEnable: false });
    await bench.retry("a.service");
    await bench.clock.advance(1000);
    expect(bench.row("a.service")).toBe("active running launched");
  });
});
