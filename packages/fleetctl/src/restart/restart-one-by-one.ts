import type { ApiUnit, FleetClient } from "@fleet/api/client";
import type { TargetState } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { isGlobal } from "../units/find-units.ts";
import type { Blocking } from "../verbs/blocking.ts";
import { type Goal, StateGoal } from "../wait/goal.ts";
import { StartGoal } from "../wait/start-goal.ts";
import { waitForUnits } from "../wait/wait-for-units.ts";

/**
 * Restarts units from here, by their target states, because the server knows only fleet 1.0's API: loaded, waited for,
 * launched, waited for, one unit after the other. Resolves to the exit code.
 */
export async function restartOneByOne(
  call: Invocation,
  units: readonly ApiUnit[],
  blocking: Blocking,
): Promise<number> {
  call.say(
    "This server cannot carry a restart out by itself: fleetctl does, one unit after the other, and must not end.",
  );
  const attempts = blocking.wait ? blocking.attempts : 0;
  let code = 0;
  for (const [index, unit] of units.entries()) {
    if (isGlobal(unit)) {
      // Its states on the machines cannot be told apart well enough to know when it has stopped.
      call.say(`Unable to restart global unit ${unit.name} on this server`);
      code = 1;
    } else if (!(await restartUnit(call, unit, attempts))) {
      const left = units.slice(index + 1).map(({ name }) => name);
      if (left.length > 0) call.say(`Not restarted: ${left.join(" ")}`);
      return 1;
    }
  }
  return code;
}

async function restartUnit(call: Invocation, unit: ApiUnit, attempts: number): Promise<boolean> {
  const client = await call.connect();
  const { name } = unit;
  if (unit.desiredState === "launched") {
    await setTarget(call, client, name, "loaded");
    if (!(await reached(call, new StateGoal(name, "loaded"), attempts))) return false;
  }
  await setTarget(call, client, name, "launched");
  return await reached(call, new StartGoal(name), attempts);
}

async function setTarget(
  call: Invocation,
  client: FleetClient,
  name: string,
  desiredState: TargetState,
): Promise<void> {
  await wordedAs(
    (reason) => `Error setting target state of Unit(${name}): ${reason}`,
    client.putUnit({ name, desiredState }, call.signal),
  );
}

async function reached(call: Invocation, goal: Goal, attempts: number): Promise<boolean> {
  return await waitForUnits(call, [goal], attempts);
}
