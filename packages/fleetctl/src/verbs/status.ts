import type { ApiUnit, ClientMachine } from "@fleet/api/client";
import { mapBounded } from "../bounded.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { lookUpUnit, machineNamed, machineOfUnit, noSuchUnit, readMachines } from "../remote/find-machine.ts";
import { runOnMachine } from "../remote/run-on-machine.ts";
import { expandPatterns } from "../units/patterns.ts";
import { unitNamesOf } from "../units/unit-argument.ts";

/**
 * The units one after the other, as systemctl shows them. The exit code is the first that is not 0: the one with which
 * fleet's client ended, which left out the units after it.
 */
export async function status(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const { args, matched } = await expandPatterns(call, ({ machineID = "" }) => machineID !== "");
  const machines = await readMachines(call);
  const names = unitNamesOf(args);
  const units = await mapBounded(names, async (name) => matched.get(name) ?? (await lookUpUnit(call, name)));
  let first = 0;
  let shown = 0;
  for (const [index, name] of names.entries()) {
    const machine = await machineToAsk(call, name, units[index], machines, names.length);
    // The empty line between two units that systemctl prints as well.
    if (machine !== undefined && shown > 0) call.print("\n");
    const code = machine === undefined ? 1 : await showStatus(call, name, machine);
    if (machine !== undefined) shown += 1;
    if (first === 0) first = code;
    if (call.signal.aborted) break;
  }
  return first;
}

/** Undefined when there is none, which is said: of several units one without hides none of the others. */
async function machineToAsk(
  call: Invocation,
  name: string,
  unit: ApiUnit | undefined,
  machines: readonly ClientMachine[],
  of: number,
): Promise<ClientMachine | undefined> {
  try {
    if (unit === undefined) throw await noSuchUnit(call, name);
    return chosenMachine(call, unit, machines);
  } catch (error) {
    if (!(error instanceof CommandFailure) || of === 1) throw error;
    call.fail(error.message, error.hints);
    return undefined;
  }
}

function chosenMachine(
  { flags }: Invocation,
  unit: ApiUnit,
  machines: readonly ClientMachine[],
): ClientMachine {
  const prefix = flags.text("machine");
  if (prefix !== "") return machineNamed(prefix, machines);
  return machineOfUnit(unit, machines, {
    message: `Unable to get status of global unit ${unit.name}.`,
    hint: `It runs on many machines: fleetctl status --machine=MACHINE ${unit.name}`,
  });
}

async function showStatus(call: Invocation, name: string, machine: ClientMachine): Promise<number> {
  // `-.mount` and its like are no flags.
  const argument = name.startsWith("-") ? ["--", name] : [name];
  const words = ["systemctl", "status", "-l", ...argument];
  return await runOnMachine(call, machine, { from: "fleetctl", words });
}
