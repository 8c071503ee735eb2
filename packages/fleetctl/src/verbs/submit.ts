import { doing } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { planUnits } from "../units/plan-units.ts";
import { writeContents } from "../units/write-units.ts";
import { refuseSigning } from "./signing.ts";

export async function submit(call: Invocation): Promise<number> {
  if (call.flags.on("sign")) return refuseSigning(call);
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const replace = call.flags.on("replace");
  const rules = { target: "inactive", replace, replaceableIn: ["inactive"] } as const;
  const units = await doing("creating units", planUnits(call, rules));
  await doing("creating units", writeContents(call, units, "inactive"));
  return 0;
}
