import type { ApiUnit, ClientMachine } from "@fleet/api/client";
import { parseUnitName } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { MachineBook } from "../output/machine-book.ts";
import { machineLegend } from "../output/machine-legend.ts";
import { meansMachine } from "../output/machine-name.ts";
import { isGlobal } from "../units/find-units.ts";
import { nearUnits } from "../units/near-units.ts";
import { requireUnitName, unitNameOf } from "../units/unit-argument.ts";

/** Machines named in an error: a cluster can have thousands. */
const shownMachines = 10;

/** The machines present. Throws CommandFailure. */
export async function readMachines(call: Invocation): Promise<readonly ClientMachine[]> {
  return (await MachineBook.read(await call.connect(), call.signal)).machines;
}

/** The unit of that name; undefined when there is none. Throws CommandFailure. */
export async function lookUpUnit(call: Invocation, name: string): Promise<ApiUnit | undefined> {
  requireUnitName(name);
  const client = await call.connect();
  return await wordedAs(
    (reason) => `Error retrieving Unit ${name}: ${reason}`,
    client.unit(name, call.signal),
  );
}

/** The failure to be thrown for a unit that does not exist. */
export async function noSuchUnit(call: Invocation, name: string): Promise<CommandFailure> {
  const near = await nearUnits([name], await call.connect(), call.signal);
  return new CommandFailure(`Unit ${name} does not exist.`, { hints: near.get(name) ?? [] });
}

/** The one machine whose id begins so or whose IP it is. Throws CommandFailure when there is none, or more than one. */
export function machineNamed(name: string, machines: readonly ClientMachine[]): ClientMachine {
  const matching = machines.filter(meansMachine(name));
  const [only] = matching;
  if (only !== undefined && matching.length === 1) return only;
  if (only !== undefined) {
    throw new CommandFailure(`Unable to proceed: found more than one machine for ${JSON.stringify(name)}`, {
      hints: legends(matching),
    });
  }
  throw new CommandFailure(`Unable to proceed: machine ${JSON.stringify(name)} does not exist`, {
    hints: [
      "A machine is named by its IP, or by the beginning of its id: so much that no other begins the same.",
      ...legends(machines),
    ],
  });
}

/** The machine that a word means: the beginning of a machine's id, its IP, or a unit. Throws CommandFailure. */
export async function machineByWord(call: Invocation, word: string): Promise<ClientMachine> {
  const name = unitNameOf(word);
  const [machines, unit] = await Promise.all([
    readMachines(call),
    parseUnitName(name).ok ? lookUpUnit(call, name) : undefined,
  ]);
  const matching = machines.filter(meansMachine(word));
  if (unit !== undefined && matching.length > 0) {
    throw new CommandFailure(
      `Unable to proceed: ambiguous argument, both machine and unit found for \`${word}\`.`,
      {
        hints: [`Say which is meant: --machine=${word} or --unit=${word}`],
      },
    );
  }
  if (unit !== undefined) return machineOfUnit(unit, machines, globalOverSsh(name));
  if (matching.length > 0) return machineNamed(word, machines);
  throw new CommandFailure(`Unable to proceed: could not find matching unit or machine for \`${word}\``, {
    hints: [`There is no unit ${name}, and no machine has that IP or an id that begins so.`],
  });
}

/** The machine of the unit of that name. Throws CommandFailure. */
export async function machineByUnit(call: Invocation, word: string): Promise<ClientMachine> {
  const name = unitNameOf(word);
  const [machines, unit] = await Promise.all([readMachines(call), lookUpUnit(call, name)]);
  if (unit === undefined) throw await noSuchUnit(call, name);
  return machineOfUnit(unit, machines, globalOverSsh(name));
}

/** What is said of a unit that runs on many machines, where one is needed. */
export interface GlobalRefusal {
  readonly message: string;
  /** How to name a machine. */
  readonly hint: string;
}

function globalOverSsh(name: string): GlobalRefusal {
  return {
    message: `Unable to proceed: global units unsupported: ${name} runs on many machines`,
    hint: "Say which one is meant: fleetctl ssh --machine=MACHINE",
  };
}

/** The machine that a unit is on. Throws CommandFailure when it is on none, on many, and when that is gone. */
export function machineOfUnit(
  unit: ApiUnit,
  machines: readonly ClientMachine[],
  refusal: GlobalRefusal,
): ClientMachine {
  const { name, machineID = "" } = unit;
  if (isGlobal(unit)) throw new CommandFailure(refusal.message, { hints: [refusal.hint] });
  if (machineID === "") throw new CommandFailure(`Unit ${name} does not appear to be loaded.`);
  const machine = machines.find((each) => each.id === machineID);
  if (machine !== undefined) return machine;
  throw new CommandFailure(`Unable to proceed: machine ${machineID} of Unit ${name} is not present`, {
    hints: ["It was lost just now, or is leaving: the unit runs elsewhere soon."],
  });
}

function legends(machines: readonly ClientMachine[]): readonly string[] {
  const shown = machines.slice(0, shownMachines).map((machine) => machineLegend(machine, true));
  const rest = machines.length - shown.length;
  return rest === 0 ? shown : [...shown, `and ${rest} more`];
}
