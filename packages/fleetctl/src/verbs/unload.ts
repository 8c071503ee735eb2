import type { Invocation } from "../invocation.ts";
import { findUnits, isActivated } from "../units/find-units.ts";
import { deactivate } from "./deactivate.ts";

export async function unload(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  // Also what no machine has yet: it is to stay away from all of them.
  const found = await findUnits(call, (unit) => unit.desiredState !== "inactive" || isActivated(unit));
  return await deactivate(call, found, { verb: "unload", done: "unloaded", target: "inactive" });
}
