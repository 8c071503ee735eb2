import type { ClientMachine } from "@fleet/api/client";
import type { Invocation } from "../invocation.ts";
import { type Columns, chosenFields, printJson, printTable, sortedRows } from "../output/listing.ts";
import { MachineBook } from "../output/machine-book.ts";
import { machinesNamed } from "../output/machine-filter.ts";
import { machineIdLegend } from "../output/machine-legend.ts";

const columns: Columns<ClientMachine> = {
  machine: { text: ({ id }, full) => machineIdLegend(id, full) },
  ip: { text: ({ primaryIP }) => primaryIP || "-" },
  metadata: {
    text: ({ metadata }) =>
      Object.entries(metadata ?? {})
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`)
        .join(",") || "-",
  },
};

export async function listMachines(call: Invocation): Promise<number> {
  const fields = chosenFields(call, columns);
  const client = await call.connect();
  const { machines, massLoss } = await MachineBook.read(client, call.signal);
  const rows = sortedRows(call, columns, await chosenMachines(call, machines));
  if (call.flags.on("json")) printJson(call, rows);
  else printTable(call, fields, rows);
  if (massLoss !== undefined) call.say((await import("../output/mass-loss.ts")).massLossNotice(massLoss));
  return 0;
}

async function chosenMachines(
  call: Invocation,
  machines: readonly ClientMachine[],
): Promise<readonly ClientMachine[]> {
  const named = call.flags.text("machine");
  const ids = named === "" ? undefined : machinesNamed(named, machines);
  const rows = ids === undefined ? machines : machines.filter(({ id }) => ids.has(id));
  if (call.args.length === 0) return rows;
  // Only here: a plain listing should not wait for more code to be read.
  const { machineMatcher } = await import("../output/machine-arguments.ts");
  return rows.filter(machineMatcher(call.args));
}
