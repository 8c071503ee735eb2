import type { Invocation } from "../invocation.ts";
import { findUnits } from "../units/find-units.ts";
import { deactivate } from "./deactivate.ts";

export async function unload(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const found = await findUnits(call);
  return await deactivate(call, found, { verb: "unload", done: "unloaded", target: "inactive" });
}
