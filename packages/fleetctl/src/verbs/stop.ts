import type { Invocation } from "../invocation.ts";
import { findUnits, isActivated, isGlobal } from "../units/find-units.ts";
import { deactivate } from "./deactivate.ts";

export async function stop(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const found = await findUnits(call, isActivated);
  const stoppable = found.filter(
    (unit) => isGlobal(unit) || (unit.currentState ?? "inactive") !== "inactive",
  );
  for (const unit of found) {
    if (!stoppable.includes(unit)) call.fail(`Unable to stop unit ${unit.name} in state inactive`);
  }
  const code = await deactivate(call, stoppable, { verb: "stop", done: "stopped", target: "loaded" });
  return stoppable.length === found.length ? code : 1;
}
