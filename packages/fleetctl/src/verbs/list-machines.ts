import type { ClientMachine } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { type Column, chosenFields, printJson, printTable } from "../output/listing.ts";
import { machineIdLegend } from "../output/machine-legend.ts";

const columns: Readonly<Record<string, Column<ClientMachine>>> = {
  machine: ({ id }, full) => machineIdLegend(id, full),
  ip: ({ primaryIP }) => primaryIP || "-",
  metadata: ({ metadata }) =>
    Object.entries(metadata ?? {})
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, value]) => `${key}=${value}`)
      .join(",") || "-",
};

export async function listMachines(call: Invocation): Promise<number> {
  const fields = chosenFields(call, columns);
  const client = await call.connect();
  const machines = await wordedAs(
    (reason) => `Error retrieving list of active machines from fleet API (${reason})`,
    client.machines(call.signal),
  );
  if (call.flags.on("json")) printJson(call, machines);
  else printTable(call, fields, machines);
  return 0;
}
