import type { ClientMachine, FleetClient } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { machineLegend } from "./machine-legend.ts";

/** The machines present, for showing rows that name one. */
export class MachineBook {
  readonly machines: readonly ClientMachine[];
  readonly #byId: ReadonlyMap<string, ClientMachine>;

  private constructor(machines: readonly ClientMachine[]) {
    this.machines = machines;
    this.#byId = new Map(machines.map((machine) => [machine.id, machine]));
  }

  /** Throws CommandFailure. */
  static async read(client: FleetClient, signal: AbortSignal): Promise<MachineBook> {
    const reading = client.machines(signal);
    return new MachineBook(
      await wordedAs(
        (reason) => `Error retrieving list of active machines from fleet API (${reason})`,
        reading,
      ),
    );
  }

  /** Asks for the machines only when a row names one. Throws CommandFailure. */
  static async for(
    rows: readonly { readonly machineID?: string | undefined }[],
    client: FleetClient,
    signal: AbortSignal,
  ): Promise<MachineBook> {
    const named = rows.some(({ machineID }) => machineID !== undefined && machineID !== "");
    return named ? await MachineBook.read(client, signal) : new MachineBook([]);
  }

  /** The machine with its address; without one when the machine is no longer present. */
  legend(id: string, full: boolean): string {
    return machineLegend(this.#byId.get(id) ?? { id }, full);
  }

  isPresent(id: string): boolean {
    return this.#byId.has(id);
  }
}
