import { wordedAs } from "../api-failure.ts";
import { mapBounded } from "../bounded.ts";
import type { Invocation } from "../invocation.ts";
import { findUnits, isGlobal } from "../units/find-units.ts";
import { GoneGoal } from "../wait/goal.ts";
import { waitForUnits } from "../wait/wait-for-units.ts";
import { blockingOf } from "./blocking.ts";

export async function destroy(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const units = await findUnits(call);
  const client = await call.connect();
  await mapBounded(units, (unit) =>
    wordedAs(
      (reason) => `Error destroying units: ${reason}`,
      // Destroyed by somebody else in between is destroyed all the same.
      client.destroyUnit(unit.name, call.signal),
    ),
  );
  call.print(units.map((unit) => `Destroyed ${unit.name}\n`).join(""));
  const blocking = blockingOf(call.flags);
  if (!blocking.wait) return 0;
  // Units that were nowhere need no waiting: one request less for each.
  const placed = units.filter((unit) => !isGlobal(unit) && unit.machineID !== undefined);
  const goals = placed.map((unit) => new GoneGoal(unit.name));
  return (await waitForUnits(call, goals, blocking.attempts)) ? 0 : 1;
}
