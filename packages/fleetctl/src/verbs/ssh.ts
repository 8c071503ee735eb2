import type { ClientMachine } from "@fleet/api/client";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { machineByUnit, machineByWord, machineNamed, readMachines } from "../remote/find-machine.ts";
import { runOnMachine } from "../remote/run-on-machine.ts";

/** `args`: the machine or unit, unless a flag names it, then the command to run there, its own flags included. */
export async function ssh(call: Invocation): Promise<number> {
  const { flags, args } = call;
  const machineFlag = flags.text("machine");
  const unitFlag = flags.text("unit");
  if (machineFlag !== "" && unitFlag !== "") {
    throw new CommandFailure("Both machine and unit flags provided, please specify only one.");
  }
  const named = machineFlag !== "" || unitFlag !== "";
  const [word = "", ...rest] = args;
  if (!named && word === "")
    throw new CommandFailure("Unable to proceed: one machine or unit must be provided");
  const machine = named ? await machineOfFlags(call, machineFlag, unitFlag) : await machineByWord(call, word);
  return await runOnMachine(call, machine, {
    from: "user",
    words: withoutDashes(named ? args : rest),
    ...(flags.given("forward-agent") ? { forwardAgent: flags.on("forward-agent") } : {}),
  });
}

async function machineOfFlags(call: Invocation, machine: string, unit: string): Promise<ClientMachine> {
  return machine === "" ? await machineByUnit(call, unit) : machineNamed(machine, await readMachines(call));
}

/** fleet's users set the command apart by `--`; what comes later is the command's own. */
function withoutDashes(words: readonly string[]): readonly string[] {
  return words[0] === "--" ? words.slice(1) : words;
}
