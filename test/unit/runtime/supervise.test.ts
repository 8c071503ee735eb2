import { Backoff, FleetError, LineLogger, silentLogger, supervise, systemClock } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const down = () => Promise.reject(new FleetError("down", "it is down"));

function supervised(task: (signal: AbortSignal) => Promise<void>, logger = silentLogger) {
  const abort = new AbortController();
  const backoff = new Backoff({ initialMs: 1_000, maxMs: 60_000 }, () => 1);
  const run = supervise({ name: "task", task, clock: systemClock, backoff, logger }, abort.signal);
  return { abort, run };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("supervise", () => {
  test("starts a failing task again, with growing delays", async () => {
    const task = vi.fn(down);
    const { abort, run } = supervised(task);
    await vi.advanceTimersByTimeAsync(999);
    expect(task).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(task).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(task).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(task).toHaveBeenCalledTimes(3);
    abort.abort();
    await run;
  });

  test("a task that merely returns is started again too", async () => {
    const lines: string[] = [];
    const write = (line: string) => lines.push(line);
    const logger = new LineLogger({ write, now: () => 0, level: () => "info", journal: true });
    const task = vi.fn(async () => {});
    const { abort, run } = supervised(task, logger);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(task).toHaveBeenCalledTimes(2);
    expect(lines[0]).toBe("<4>task_ended task=task code=returned restart_in_ms=1000\n");
    abort.abort();
    await run;
  });

  test("says a failure once, and again when it is another or comes after a healthy time", async () => {
    const lines: string[] = [];
    const write = (line: string) => lines.push(line);
    const logger = new LineLogger({ write, now: () => 0, level: () => "warn", journal: true });
    const failures = ["down", "down", "down", "denied", "down"];
    const { abort, run } = supervised(async () => {
      const code = failures.shift();
      if (code === undefined) {
        await new Promise((resolve) => {
          setTimeout(resolve, 10_000);
        });
      }
      throw new FleetError(code ?? "down", "no");
    }, logger);
    await vi.advanceTimersByTimeAsync(1_000 + 2_000 + 4_000 + 8_000 + 16_000 + 10_000);
    expect(lines.map((line) => /code=\w+/.exec(line)?.[0])).toEqual([
      "code=down",
      "code=denied",
      "code=down",
      "code=down",
    ]);
    abort.abort();
    await run;
  });

  test("a failure after a healthy time counts as a first one", async () => {
    let attempts = 0;
    const { abort, run } = supervised(async () => {
      attempts += 1;
      if (attempts === 3) {
        await new Promise((resolve) => {
          setTimeout(resolve, 10_000);
        });
      }
      await down();
    });
    await vi.advanceTimersByTimeAsync(1_000 + 2_000 + 10_000);
    expect(attempts).toBe(3);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(attempts).toBe(4);
    abort.abort();
    await run;
  });

  test("ends at once while it waits, and starts nothing more", async () => {
    const task = vi.fn(down);
    const { abort, run } = supervised(task);
    await vi.advanceTimersByTimeAsync(10);
    abort.abort();
    await run;
    expect(vi.getTimerCount()).toBe(0);
    expect(task).toHaveBeenCalledTimes(1);
  });

  test("hands its signal to the task and waits for the task to end", async () => {
    let ended = false;
    const { abort, run } = supervised(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            setTimeout(() => {
              ended = true;
              reject(signal.reason);
            }, 100);
          });
        }),
    );
    await vi.advanceTimersByTimeAsync(10);
    abort.abort();
    await vi.advanceTimersByTimeAsync(100);
    await run;
    expect(ended).toBe(true);
  });

  test("does not begin when the signal has fired already", async () => {
    const task = vi.fn(async () => {});
    const backoff = new Backoff({ initialMs: 1_000, maxMs: 60_000 }, () => 1);
    await supervise(
      { name: "task", task, clock: systemClock, backoff, logger: silentLogger },
      AbortSignal.abort(),
    );
    expect(task).not.toHaveBeenCalled();
  });
});
