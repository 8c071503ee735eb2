import type { ApiMassLoss, ClientMachine, FleetClient } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { machineLegend } from "./machine-legend.ts";

/** The machines present, for showing rows that name one. */
export class MachineBook {
  static readonly empty = new MachineBook([]);

  readonly machines: readonly ClientMachine[];
  /** For which units are not placed elsewhere; undefined when there is none. */
  readonly massLoss: ApiMassLoss | undefined;
  readonly #byId: ReadonlyMap<string, ClientMachine>;

  private constructor(machines: readonly ClientMachine[], massLoss?: ApiMassLoss) {
    this.machines = machines;
    this.massLoss = massLoss;
    this.#byId = new Map(machines.map((machine) => [machine.id, machine]));
  }

  /** Throws CommandFailure. */
  static async read(client: FleetClient, signal: AbortSignal): Promise<MachineBook> {
    let massLoss: ApiMassLoss | undefined;
    const reading = client.machines(signal, (told) => {
      massLoss = told;
    });
    const machines = await wordedAs(
      (reason) => `Error retrieving list of active machines from fleet API (${reason})`,
      reading,
    );
    return new MachineBook(machines, massLoss);
  }

  /** The machine with its address; without one when the machine is no longer present. */
  legend(id: string, full: boolean): string {
    return machineLegend(this.#byId.get(id) ?? { id }, full);
  }

  isPresent(id: string): boolean {
    return this.#byId.has(id);
  }
}
