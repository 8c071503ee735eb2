import type { ClientMachine, FleetClient } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { machineLegend } from "./machine-legend.ts";

/** The machines present, for showing rows that name one. */
export class MachineBook {
  readonly #machines: ReadonlyMap<string, ClientMachine>;

  private constructor(machines: readonly ClientMachine[]) {
    this.#machines = new Map(machines.map((machine) => [machine.id, machine]));
  }

  /** Asks for the machines only when a row names one. Throws CommandFailure. */
  static async for(
    rows: readonly { readonly machineID?: string | undefined }[],
    client: FleetClient,
    signal: AbortSignal,
  ): Promise<MachineBook> {
    if (rows.every(({ machineID }) => machineID === undefined || machineID === ""))
      return new MachineBook([]);
    const reading = client.machines(signal);
    return new MachineBook(
      await wordedAs(
        (reason) => `Error retrieving list of active machines from fleet API (${reason})`,
        reading,
      ),
    );
  }

  /** The machine with its address; without one when the machine is no longer present. */
  legend(id: string, full: boolean): string {
    return machineLegend(this.#machines.get(id) ?? { id }, full);
  }
}
