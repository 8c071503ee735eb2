import type { ApiUnit } from "@fleet/api/client";
import { serializeUnitFile, unitHash } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { nearUnits } from "../units/near-units.ts";
import { expandPatterns } from "../units/patterns.ts";
import { requireUnitName, unitNameOf } from "../units/unit-argument.ts";

export async function cat(call: Invocation): Promise<number> {
  if (call.args.length !== 1) throw new CommandFailure("One unit file must be provided");
  const { args, matched } = await expandPatterns(call);
  const [argument = "", ...more] = args;
  if (more.length > 0) {
    throw new CommandFailure(`One unit file must be provided: ${call.args[0]} matches ${args.join(", ")}`);
  }
  const unit = matched.get(argument) ?? (await unitNamed(call, unitNameOf(argument)));
  if (call.flags.on("json")) {
    const { name, options } = unit;
    call.print(`${JSON.stringify({ name, hash: unitHash(options), options }, undefined, 2)}\n`);
  } else {
    call.print(serializeUnitFile(unit.options));
  }
  return 0;
}

async function unitNamed(call: Invocation, name: string): Promise<ApiUnit> {
  requireUnitName(name);
  const client = await call.connect();
  const unit = await wordedAs(
    (reason) => `Error retrieving Unit ${name}: ${reason}`,
    client.unit(name, call.signal),
  );
  if (unit !== undefined) return unit;
  const hints = (await nearUnits([name], client, call.signal)).get(name) ?? [];
  throw new CommandFailure(`Unit ${name} not found`, { hints });
}
