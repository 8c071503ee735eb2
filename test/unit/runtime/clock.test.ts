import { AbortedError, sleep, systemClock } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("systemClock", () => {
  test("fires once, after the delay", async () => {
    const fired: number[] = [];
    const start = systemClock.monotonic();
    systemClock.after(100, () => fired.push(systemClock.monotonic() - start));
    await vi.advanceTimersByTimeAsync(99);
    expect(fired).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fired).toEqual([100]);
  });

  test("a cancelled timer does not fire, and cancelling twice is no error", async () => {
    const fire = vi.fn();
    const cancel = systemClock.after(100, fire);
    cancel();
    cancel();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fire).not.toHaveBeenCalled();
  });

  test("monotonic time is not moved by setting the wall clock", () => {
    const before = systemClock.monotonic();
    vi.setSystemTime(0);
    expect(systemClock.now()).toBe(0);
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before);
  });
});

describe("the system clock without fake timers", () => {
  beforeEach(() => {
    vi.useRealTimers();
  });

  test("never fires before the delay has passed", async () => {
    // Delays with fractions, begun at many points of a millisecond: left to Node, most of them are early.
    const early = Array.from({ length: 200 }, (_, index) => {
      const delayMs = 10 + index * 0.137;
      const dueMs = systemClock.monotonic() + delayMs;
      return new Promise<number>((resolve) => {
        systemClock.after(delayMs, () => resolve(dueMs - systemClock.monotonic()));
      });
    });
    expect(Math.max(...(await Promise.all(early)))).toBeLessThanOrEqual(0);
  });
});

describe("sleep", () => {
  test("resolves after the delay and lets go of the signal", async () => {
    const abort = new AbortController();
    const removed = vi.spyOn(abort.signal, "removeEventListener");
    const slept = sleep(systemClock, 100, abort.signal);
    await vi.advanceTimersByTimeAsync(100);
    await expect(slept).resolves.toBeUndefined();
    expect(removed).toHaveBeenCalledWith("abort", expect.any(Function));
  });

  test("rejects as soon as the signal fires, with no timer left", async () => {
    const abort = new AbortController();
    const slept = sleep(systemClock, 100, abort.signal);
    abort.abort("leaving");
    await expect(slept).rejects.toThrow(AbortedError);
    await expect(slept).rejects.toMatchObject({ code: "aborted", cause: "leaving" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("does not begin when the signal has fired already", async () => {
    await expect(sleep(systemClock, 100, AbortSignal.abort())).rejects.toThrow(AbortedError);
    expect(vi.getTimerCount()).toBe(0);
  });
});
