import { beforeEach, expect, test } from "vitest";
import { ActivationTimes } from "../../../packages/agent/src/activation-times.ts";
import { ManualClock } from "../engine/manual-clock.ts";

let clock: ManualClock;
let observed: number[];
let times: ActivationTimes;

beforeEach(() => {
  clock = new ManualClock();
  observed = [];
  times = new ActivationTimes(clock, { observe: (value) => void observed.push(value) });
});

test("a unit counts once, from its order to being active", () => {
  times.ordered("a.service");
  clock.advance(500);
  times.ordered("a.service");
  times.seen("a.service", "activating");
  clock.advance(1_000);
  times.seen("a.service", "active");
  times.seen("a.service", "active");
  expect(observed).toEqual([1.5]);
});

test.each<[what: string, happen: () => void]>([
  ["was not ordered", () => times.cancelled("a.service")],
  ["failed first", () => times.seen("a.service", "failed")],
  ["was ordered in a connection that is over", () => times.clear()],
  ["becomes active hours later, by a timer say", () => clock.advance(2 * 3_600_000)],
])("a unit that %s does not count", (_what, happen) => {
  times.ordered("a.service");
  happen();
  times.seen("a.service", "active");
  expect(observed).toEqual([]);
});
