import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { MachineBook } from "./machine-book.ts";
import { machineIdLegend } from "./machine-legend.ts";
import { meansMachine, type NamedMachine } from "./machine-name.ts";

/**
 * The ids of the machines that --machine names, comma-separated: each by its id, the beginning of it, its IP, or
 * as listings show it (`0acdd9bf.../10.0.2.15`). Throws CommandFailure for one that is unknown or ambiguous.
 */
export function machinesNamed(list: string, known: readonly NamedMachine[]): ReadonlySet<string> {
  return new Set(list.split(",").flatMap((name) => machineNamed(name.trim(), known)));
}

interface OnMachine {
  readonly machineID?: string | undefined;
}

/**
 * Of the rows wanted those on the machines of --machine, and the machines to show them with. `all` rows tell of
 * machines that are gone. Throws CommandFailure.
 */
export async function rowsOnMachines<Row extends OnMachine>(
  call: Invocation,
  wanted: readonly Row[],
  all: readonly Row[],
): Promise<{ readonly rows: readonly Row[]; readonly machines: MachineBook }> {
  const client = await call.connect();
  const list = call.flags.text("machine");
  if (list === "") {
    // JSON shows ids only.
    const shown = call.flags.on("json") ? [] : wanted;
    return { rows: wanted, machines: await MachineBook.for(shown, client, call.signal) };
  }
  const machines = await MachineBook.read(client, call.signal);
  const known = new Map(all.map(({ machineID = "" }) => [machineID, { id: machineID }]));
  known.delete("");
  const chosen = machinesNamed(list, [
    ...new Map<string, NamedMachine>([
      ...known,
      ...machines.machines.map((each) => [each.id, each] as const),
    ]).values(),
  ]);
  const rows = wanted.filter(({ machineID }) => machineID !== undefined && chosen.has(machineID));
  return { rows, machines };
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
  const legends = known.filter(({ id }) => id !== "").map(({ id }) => machineIdLegend(id, false));
  throw new CommandFailure(`--machine: no machine has the id or IP ${JSON.stringify(name)}`, {
    hints: legends.length === 0 ? [] : [`Known: ${legends.sort().slice(0, shownMachines).join(", ")}`],
  });
}

/** Machines named in an error: a cluster can have thousands. */
const shownMachines = 20;
