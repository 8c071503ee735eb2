import { CommandFailure } from "../failure.ts";
import { machineIdLegend } from "./machine-legend.ts";
import { meansMachine, type NamedMachine } from "./machine-name.ts";

/**
 * The ids of the machines that --machine names, comma-separated: each by its id, the beginning of it, its IP, or
 * as listings show it (`0acdd9bf.../10.0.2.15`). Throws CommandFailure for one that is unknown or ambiguous.
 */
export function machinesNamed(list: string, known: readonly NamedMachine[]): ReadonlySet<string> {
  return new Set(list.split(",").flatMap((name) => machineNamed(name.trim(), known)));
}

/** The machines that can be named: those present, and those that rows tell of. */
export function knownMachines(
  present: readonly NamedMachine[],
  mentioned: readonly (string | undefined)[],
): readonly NamedMachine[] {
  const known = new Map<string, NamedMachine>();
  for (const id of mentioned) if (id !== undefined && id !== "") known.set(id, { id });
  for (const machine of present) known.set(machine.id, machine);
  return [...known.values()];
}

function machineNamed(name: string, known: readonly NamedMachine[]): readonly string[] {
  const matching = known.filter(meansMachine(name));
  // Machines that share an IP are all meant by it.
  const isIp = matching.every(({ primaryIP }) => primaryIP === name);
  if (matching.length > 1 && !isIp) {
    const ids = matching.map(({ id }) => id).sort();
    throw new CommandFailure(`--machine: ${JSON.stringify(name)} is ambiguous: ${ids.join(", ")}`);
  }
  if (matching.length > 0) return matching.map(({ id }) => id);
  throw unknownMachine(name, known);
}

/** What --machine fails with for a name that is no machine's. */
export function unknownMachine(name: string, known: readonly NamedMachine[]): CommandFailure {
  const legends = known.filter(({ id }) => id !== "").map(({ id }) => machineIdLegend(id, false));
  return new CommandFailure(`--machine: no machine has the id or IP ${JSON.stringify(name)}`, {
    hints: legends.length === 0 ? [] : [`Known: ${legends.sort().slice(0, shownMachines).join(", ")}`],
  });
}

/** Machines named in an error: a cluster can have thousands. */
const shownMachines = 20;
