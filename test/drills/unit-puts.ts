import { Agent, request } from "node:http";
import type { ClusterMachine } from "@fleet/lab";
import { afterAll } from "vitest";

/** Puts units through the API of a machine, over at most so many connections, which are kept open. */
export class UnitPuts {
  readonly #connections: Agent;

  /** Closes the connections after all tests of the file. */
  constructor(connections: number) {
    this.#connections = new Agent({ keepAlive: true, maxSockets: connections });
    afterAll(() => this.#connections.destroy());
  }

  /** Resolves with the status of the answer. */
  put(machine: ClusterMachine, unit: string, body: object): Promise<number> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: machine.socketPath,
          agent: this.#connections,
          path: `/fleet/v1/units/${unit}`,
          method: "PUT",
          headers: { "Content-Type": "application/json" },
        },
        (answer) => {
          answer.resume();
          answer.once("end", () => resolve(answer.statusCode ?? 0));
          answer.once("error", reject);
        },
      );
      outgoing.once("error", reject);
      outgoing.end(JSON.stringify({ name: unit, ...body }));
    });
  }
}
