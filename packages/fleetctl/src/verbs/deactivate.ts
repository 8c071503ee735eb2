import type { ApiUnit } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { mapBounded } from "../bounded.ts";
import type { Invocation } from "../invocation.ts";
import { isGlobal } from "../units/find-units.ts";
import { StateGoal } from "../wait/goal.ts";
import { waitForUnits } from "../wait/wait-for-units.ts";
import { blockingOf } from "./blocking.ts";

/** What tells `stop` and `unload` apart. */
export interface Deactivation {
  readonly verb: "stop" | "unload";
  readonly done: "stopped" | "unloaded";
  readonly target: "loaded" | "inactive";
}

/** Asks for a lower target state and waits until the units are there. Resolves to the exit code. */
export async function deactivate(
  call: Invocation,
  units: readonly ApiUnit[],
  { verb, done, target }: Deactivation,
): Promise<number> {
  const client = await call.connect();
  await mapBounded(
    units.filter((unit) => unit.desiredState !== target),
    (unit) =>
      wordedAs(
        (reason) => `Error setting target state of Unit(${unit.name}): ${reason}`,
        client.putUnit({ name: unit.name, desiredState: target }, call.signal),
      ),
  );
  for (const unit of units) if (isGlobal(unit)) call.say(`Triggered global unit ${unit.name} ${verb}`);
  const names = units.filter((unit) => !isGlobal(unit)).map((unit) => unit.name);
  const blocking = blockingOf(call.flags);
  if (!blocking.wait) {
    for (const name of names) call.print(`Triggered unit ${name} ${verb}\n`);
    return 0;
  }
  const goals = names.map((name) => new StateGoal(name, target));
  if (!(await waitForUnits(call, goals, blocking.attempts))) return 1;
  if (names.length > 0) call.say(`Successfully ${done} units [${names.join(" ")}].`);
  return 0;
}
