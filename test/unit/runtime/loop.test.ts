import { Backoff, FleetError, LevelLoop, LineLogger, silentLogger, systemClock } from "@fleet/runtime";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const retryMs = 1_000;

function loopOf(pass: (signal: AbortSignal) => Promise<void>, logger = silentLogger) {
  const abort = new AbortController();
  const backoff = new Backoff({ initialMs: retryMs, maxMs: 60_000 }, () => 1);
  const loop = new LevelLoop({ name: "test", pass, clock: systemClock, backoff, logger });
  return { loop, abort };
}

function takes(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("LevelLoop", () => {
  test("makes no pass before it is triggered", async () => {
    const pass = vi.fn(async () => {});
    const { loop, abort } = loopOf(pass);
    const run = loop.run(abort.signal);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(pass).not.toHaveBeenCalled();
    abort.abort();
    await run;
  });

  test("a trigger before run leads to a pass once it runs, and not earlier", async () => {
    const pass = vi.fn(async () => {});
    const { loop, abort } = loopOf(pass);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(0);
    expect(pass).not.toHaveBeenCalled();
    const run = loop.run(abort.signal);
    await vi.advanceTimersByTimeAsync(0);
    expect(pass).toHaveBeenCalledTimes(1);
    abort.abort();
    await run;
  });

  test("any number of triggers during a pass lead to exactly one more", async () => {
    const pass = vi.fn(() => takes(100));
    const { loop, abort } = loopOf(pass);
    const run = loop.run(abort.signal);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(50);
    loop.trigger();
    loop.trigger();
    loop.trigger();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(pass).toHaveBeenCalledTimes(2);
    abort.abort();
    await run;
  });

  test("repeats a failed pass after the back-off, which triggers do not shorten", async () => {
    const pass = vi.fn(async () => {}).mockRejectedValueOnce(new FleetError("down", "it is down"));
    const { loop, abort } = loopOf(pass);
    const run = loop.run(abort.signal);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(retryMs / 2);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(retryMs / 2 - 1);
    expect(pass).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(pass).toHaveBeenCalledTimes(2);
    abort.abort();
    await run;
  });

  test("a success makes the next back-off a first one", async () => {
    const outcomes = [false, false, true, false];
    const at: number[] = [];
    const { loop, abort } = loopOf(async () => {
      at.push(systemClock.monotonic());
      if (outcomes.shift() === false) throw new FleetError("down", "it is down");
    });
    const run = loop.run(abort.signal);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(10 * retryMs);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(10 * retryMs);
    const gaps = at.slice(1).map((time, index) => Math.round(time - (at[index] ?? 0)));
    expect([gaps[0], gaps[1], gaps[3]]).toEqual([retryMs, 2 * retryMs, retryMs]);
    abort.abort();
    await run;
  });

  test("says which pass failed, why, and when it is repeated", async () => {
    const lines: string[] = [];
    const logger = new LineLogger({
      write: (line) => lines.push(line),
      now: () => 0,
      level: () => "info",
      journal: true,
    });
    const { loop, abort } = loopOf(() => Promise.reject(new FleetError("down", "it is down")), logger);
    const run = loop.run(abort.signal);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(0);
    expect(lines).toEqual(['<4>pass_failed loop=test code=down message="it is down" retry_in_ms=1000\n']);
    abort.abort();
    await run;
  });

  test("a failure that repeats is said once, until a pass has succeeded", async () => {
    const lines: string[] = [];
    const logger = new LineLogger({
      write: (line) => lines.push(line),
      now: () => 0,
      level: () => "info",
      journal: true,
    });
    let up = false;
    const { loop, abort } = loopOf(async () => {
      if (!up) throw new FleetError("down", "it is down");
    }, logger);
    const run = loop.run(abort.signal);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(10 * retryMs);
    expect(lines).toHaveLength(1);
    up = true;
    await vi.advanceTimersByTimeAsync(60_000);
    up = false;
    loop.trigger();
    await vi.advanceTimersByTimeAsync(10 * retryMs);
    expect(lines).toHaveLength(2);
    abort.abort();
    await run;
  });

  test("run ends only after the pass in progress has, and no pass follows", async () => {
    let passes = 0;
    let ended = false;
    const { loop, abort } = loopOf(async () => {
      passes += 1;
      await takes(100);
    });
    const run = loop.run(abort.signal).then(() => {
      ended = true;
    });
    loop.trigger();
    await vi.advanceTimersByTimeAsync(50);
    loop.trigger();
    abort.abort();
    await vi.advanceTimersByTimeAsync(49);
    expect(ended).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await run;
    loop.trigger();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(passes).toBe(1);
  });

  test("leaves no retry behind when it is stopped", async () => {
    const { loop, abort } = loopOf(() => Promise.reject(new FleetError("down", "it is down")));
    const run = loop.run(abort.signal);
    loop.trigger();
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(1);
    abort.abort();
    await run;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("whatever the order of triggers and failures: one pass at a time, and one after the last trigger", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(500), { maxLength: 30 }),
        fc.array(fc.record({ takesMs: fc.nat(300), fails: fc.boolean() }), { maxLength: 30 }),
        async (pauses, script) => {
          const steps = [...script];
          let running = 0;
          let most = 0;
          let lastBegun = -1;
          const { loop, abort } = loopOf(async () => {
            running += 1;
            most = Math.max(most, running);
            lastBegun = systemClock.monotonic();
            const step = steps.shift();
            await takes(step?.takesMs ?? 0);
            running -= 1;
            if (step?.fails) throw new FleetError("down", "it is down");
          });
          const run = loop.run(abort.signal);
          let lastTrigger = -1;
          for (const pauseMs of pauses) {
            await vi.advanceTimersByTimeAsync(pauseMs);
            lastTrigger = systemClock.monotonic();
            loop.trigger();
          }
          await vi.advanceTimersByTimeAsync(3_600_000);
          expect(most).toBeLessThanOrEqual(1);
          expect(lastBegun).toBeGreaterThanOrEqual(lastTrigger);
          abort.abort();
          await run;
        },
      ),
      { numRuns: 50 },
    );
  });
});
