import type { ClientMachine, WatchSnapshot } from "@fleet/api/client";

/** A machine of a stream as listings have it: what a server left out is empty. */
export function streamedMachine(machine: WatchSnapshot["machines"][number]): ClientMachine {
  return { id: machine.id, primaryIP: machine.primaryIP ?? "", metadata: machine.metadata ?? {} };
}
