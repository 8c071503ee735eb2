import type { UnitStatus } from "@fleet/systemd";
import { expect, test } from "vitest";
import { untilSilent } from "../../../packages/fleetd/src/systemd-silence.ts";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";

/** Watches a systemd that answers as long as `answers` is true, each call taking 10 s to fail else. */
function watched() {
  const clock = new SimulatedClock();
  const systemd = { answers: true };
  const ended = new AbortController();
  const status = async (): Promise<ReadonlyMap<string, UnitStatus>> => {
    if (systemd.answers) return new Map<string, UnitStatus>();
    await new Promise<void>((resolve) => clock.after(10_000, resolve));
    throw new Error("not answered");
  };
  const outcome: string[] = [];
  const over = untilSilent({ manager: { status }, clock, giveUpAfterMs: 60_000, signal: ended.signal }).then(
    () => outcome.push("ended"),
    (error: Error) => outcome.push(error.message),
  );
  return { clock, systemd, outcome, end: () => ended.abort(), over };
}

test("a systemd that is silent for too long is given up, one that answers never", async () => {
  const { clock, systemd, outcome } = watched();
  await clock.advance(600_000);
  systemd.answers = false;
  await clock.advance(45_000);
  systemd.answers = true;
  await clock.advance(30_000);
  systemd.answers = false;
  await clock.advance(45_000);
  expect(outcome).toEqual([]);
  await clock.advance(20_000);
  expect(outcome).toEqual([expect.stringMatching(/^systemd has not answered for (6\d|7\d) s/)]);
});

test("it ends when told to", async () => {
  const { clock, outcome, end, over } = watched();
  await clock.advance(10_000);
  end();
  await clock.settle();
  await over;
  expect(outcome).toEqual(["ended"]);
});
