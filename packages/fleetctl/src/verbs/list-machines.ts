import type { ApiMassLoss, ClientMachine } from "@fleet/api/client";
import type { Invocation } from "../invocation.ts";
import type { Columns } from "../output/columns.ts";
import { list, type Row } from "../output/listing.ts";
import { MachineBook } from "../output/machine-book.ts";
import { machineIdLegend } from "../output/machine-legend.ts";
import { streamedMachine } from "../output/streamed-machine.ts";

const columns: Columns<Row<ClientMachine>> = {
  machine: { text: ({ item }, full) => machineIdLegend(item.id, full) },
  ip: { text: ({ item }) => item.primaryIP || "-" },
  metadata: {
    text: ({ item }) =>
      Object.entries(item.metadata)
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`)
        .join(",") || "-",
  },
};

export async function listMachines(call: Invocation): Promise<number> {
  const isChosen = await chosenByArguments(call.args);
  let massLoss: ApiMassLoss | undefined;
  const code = await list<ClientMachine>(call, {
    thing: "machine",
    columns,
    keyOf: ({ id }) => id,
    machineOf: ({ id }) => id,
    chosen: () => isChosen,
    json: (machine) => machine,
    read: async (client, signal) => {
      const machines = await MachineBook.read(client, signal);
      massLoss = machines.massLoss;
      return { all: machines.machines, machines };
    },
    kind: "machines",
    changes: (message) => {
      if (message.type === "snapshot") return { put: message.machines.map(streamedMachine), removed: [] };
      return {
        put: message.machines?.put.map(streamedMachine) ?? [],
        removed: message.machines?.removed ?? [],
      };
    },
  });
  // A listing that stays has said it meanwhile.
  if (massLoss !== undefined && !call.flags.on("watch"))
    call.say((await import("../output/mass-loss.ts")).massLossNotice(massLoss));
  return code;
}

async function chosenByArguments(args: readonly string[]): Promise<(machine: ClientMachine) => boolean> {
  if (args.length === 0) return () => true;
  // Only here: a plain listing should not wait for more code to be read.
  return (await import("../output/machine-arguments.ts")).machineMatcher(args);
}
