import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { MachineBook } from "./machine-book.ts";
import { machineIdLegend } from "./machine-legend.ts";

interface KnownMachine {
  readonly id: string;
  readonly primaryIP?: string | undefined;
}

/**
 * The ids of the machines that --machine names, comma-separated: each by its id, the beginning of it, its IP, or
 * as listings show it (`0acdd9bf.../10.0.2.15`). Throws CommandFailure for one that is unknown or ambiguous.
 */
export function machinesNamed(list: string, known: readonly KnownMachine[]): ReadonlySet<string> {
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
    ...new Map<string, KnownMachine>([
      ...known,
      ...machines.machines.map((each) => [each.id, each] as const),
    ]).values(),
  ]);
  const rows = wanted.filter(({ machineID }) => machineID !== undefined && chosen.has(machineID));
  return { rows, machines };
}

function machineNamed(name: string, known: readonly KnownMachine[]): readonly string[] {
  const beginning = name.replace(/\.\.\.(\/.*)?$/, "");
  const exact = known.filter(({ id, primaryIP }) => id === beginning || primaryIP === beginning);
  if (exact.length > 0 && beginning !== "") return exact.map(({ id }) => id);
  const matching = beginning === "" ? [] : known.filter(({ id }) => id.startsWith(beginning));
  if (matching.length > 1) {
    const ids = matching.map(({ id }) => id).sort();
    throw new CommandFailure(`--machine: ${JSON.stringify(name)} is ambiguous: ${ids.join(", ")}`);
  }
  const [only] = matching;
  if (only !== undefined) return [only.id];
  const legends = known.filter(({ id }) => id !== "").map(({ id }) => machineIdLegend(id, false));
  throw new CommandFailure(`--machine: no machine has the id or IP ${JSON.stringify(name)}`, {
    hints: legends.length === 0 ? [] : [`Known: ${legends.sort().slice(0, shownMachines).join(", ")}`],
  });
}

/** Machines named in an error: a cluster can have thousands. */
const shownMachines = 20;
