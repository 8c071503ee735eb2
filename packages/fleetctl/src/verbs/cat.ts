import { serializeUnitFile } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { requireUnitName, unitNameOf } from "../units/unit-argument.ts";

export async function cat(call: Invocation): Promise<number> {
  const [argument, ...more] = call.args;
  if (argument === undefined || more.length > 0) throw new CommandFailure("One unit file must be provided");
  const name = unitNameOf(argument);
  requireUnitName(name);
  const client = await call.connect();
  const unit = await wordedAs(
    (reason) => `Error retrieving Unit ${name}: ${reason}`,
    client.unit(name, call.signal),
  );
  if (unit === undefined) throw new CommandFailure(`Unit ${name} not found`);
  call.print(serializeUnitFile(unit.options));
  return 0;
}
