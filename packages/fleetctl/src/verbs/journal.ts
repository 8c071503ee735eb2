import type { ClientMachine } from "@fleet/api/client";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { lookUpUnit, machineNamed, machineOfUnit, noSuchUnit, readMachines } from "../remote/find-machine.ts";
import { runOnMachine } from "../remote/run-on-machine.ts";
import { hasWildcard } from "../units/patterns.ts";
import { unitNameOf } from "../units/unit-argument.ts";

export async function journal(call: Invocation): Promise<number> {
  const { flags, args } = call;
  const [argument, ...more] = args;
  if (argument === undefined || more.length > 0) throw new CommandFailure("One unit file must be provided.");
  if (hasWildcard(argument))
    throw new CommandFailure(`One unit file must be provided: journal takes no pattern (${argument})`);
  const name = unitNameOf(argument);
  const machine = await machineToAsk(call, name);
  const words = [
    ...(flags.on("sudo") ? ["sudo"] : []),
    ...["journalctl", "--unit", name, "--no-pager", "-n", String(flags.number("lines"))],
    ...["--output", flags.text("output")],
    ...(flags.on("follow") ? ["-f"] : []),
  ];
  return await runOnMachine(call, machine, { from: "fleetctl", words });
}

async function machineToAsk(call: Invocation, name: string): Promise<ClientMachine> {
  const [machines, unit] = await Promise.all([readMachines(call), lookUpUnit(call, name)]);
  if (unit === undefined) throw await noSuchUnit(call, name);
  const prefix = call.flags.text("machine");
  if (prefix !== "") return machineNamed(prefix, machines);
  return machineOfUnit(unit, machines, {
    message: `Unable to retrieve journal of global unit ${name}.`,
    hint: `It runs on many machines: fleetctl journal --machine=MACHINE ${name}`,
  });
}
