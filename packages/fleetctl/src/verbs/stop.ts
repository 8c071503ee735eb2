import type { Invocation } from "../invocation.ts";
import { findUnits, isActivated } from "../units/find-units.ts";
import { deactivate } from "./deactivate.ts";

export async function stop(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const found = await findUnits(call, isActivated);
  // Also of a global unit: for one that is inactive, `loaded` would not be less.
  const stoppable = found.filter(isActivated);
  for (const unit of found) {
    if (!stoppable.includes(unit)) call.fail(`Unable to stop unit ${unit.name} in state inactive`);
  }
  const code = await deactivate(call, stoppable, { verb: "stop", done: "stopped", target: "loaded" });
  return stoppable.length === found.length ? code : 1;
}
