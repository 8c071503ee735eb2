import { LineLogger } from "@fleet/runtime";
import { afterEach, expect, test } from "vitest";
import { releaseHeapWhenQuiet } from "../../../packages/fleetd/src/heap-release.ts";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";

const MiB = 1_024 ** 2;
const ended: AbortController[] = [];

afterEach(() => {
  for (const controller of ended.splice(0)) controller.abort();
});

/** A process whose heap is held against what it does; `releases` tells when it gave memory back. */
function started({ fails = false } = {}) {
  const clock = new SimulatedClock();
  const state = { cpuMs: 0, usedMiB: 25, heldMiB: 80 };
  const releases: number[] = [];
  let log = "";
  const running = new AbortController();
  ended.push(running);
  const heap = {
    cpuMs: () => state.cpuMs,
    size: () => ({ usedBytes: state.usedMiB * MiB, heldBytes: state.heldMiB * MiB }),
    release: async () => {
      releases.push(clock.monotonic());
      if (fails) throw new Error("no inspector");
      state.heldMiB = state.usedMiB + 2;
    },
  };
  const write = (text: string): void => {
    log += text;
  };
  const logger = new LineLogger({ write, now: () => 0, level: () => "info", journal: false });
  const over = releaseHeapWhenQuiet({ heap, clock, logger }, running.signal);
  return {
    state,
    releases,
    clock,
    over,
    end: () => running.abort(),
    log: () => log,
    /** Passes seconds in which the process works at this share of a core. */
    pass: async (seconds: number, share: number) => {
      for (let second = 0; second < seconds; second += 1) {
        await clock.advance(1_000);
        state.cpuMs += share * 1_000;
      }
    },
  };
}

test("memory is given back once when it is quiet after a burst, and not again", async () => {
  const { pass, releases, state } = started();
  await pass(35, 0.5);
  expect(releases).toEqual([]);
  await pass(600, 0.004);
  expect(releases).toEqual([50_000]);
  expect(state.heldMiB).toBe(27);
});

test("another burst gives memory back again, but not before a minute is over", async () => {
  const { pass, releases, state } = started();
  await pass(15, 0.004);
  expect(releases).toEqual([10_000]);
  state.heldMiB = 80;
  await pass(50, 0.004);
  expect(releases).toEqual([10_000]);
  await pass(300, 0.004);
  expect(releases).toEqual([10_000, 70_000]);
});

test("a heap that has hardly grown since the last time is left alone", async () => {
  const { pass, releases, state } = started();
  await pass(15, 0.004);
  state.heldMiB = 42;
  await pass(300, 0.004);
  expect(releases).toHaveLength(1);
  state.heldMiB = 43;
  await pass(30, 0.004);
  expect(releases).toHaveLength(2);
});

test("a heap that would take long to collect is left to V8", async () => {
  const { pass, releases, state } = started();
  state.usedMiB = 97;
  state.heldMiB = 200;
  await pass(300, 0.004);
  expect(releases).toEqual([]);
  state.usedMiB = 96;
  await pass(30, 0.004);
  expect(releases).toHaveLength(1);
});

test("where it fails it is told once and not tried again", async () => {
  const { pass, releases, over, log } = started({ fails: true });
  await pass(300, 0.004);
  await over;
  expect(releases).toHaveLength(1);
  expect(log()).toMatch(/heap_not_released .*no inspector/);
});

test("it ends when told to", async () => {
  const { clock, end, over, releases } = started();
  await clock.advance(5_000);
  end();
  await over;
  await clock.advance(60_000);
  expect(releases).toEqual([]);
});
