import type { ApiRestart, ClientMachine } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { machineLegend } from "../output/machine-legend.ts";

/**
 * Has the cluster begin nothing further of a request to restart units, and tells how far it was. Resolves to the exit
 * code; throws CommandFailure when there is no such request, or it has ended.
 */
export async function cancelRestart(call: Invocation, id: string): Promise<number> {
  const client = await call.connect();
  const wording = (reason: string): string => `Error cancelling restart ${id}: ${reason}`;
  const [restarts, machines] = await wordedAs(
    wording,
    Promise.all([client.restarts(call.signal), client.machines(call.signal)]),
  );
  if (restarts === undefined) {
    throw new CommandFailure("This server has no requests to restart units, and so none to cancel", {
      hints: ["It is fleetctl that restarts units there, and nothing goes on when it ends."],
    });
  }
  const restart = restarts.find((each) => each.id === id);
  const others = restarts.filter((each) => each !== restart && each.state === "running");
  if (restart !== undefined && restart.state !== "running") {
    const message = `Restart ${id} has ended already: ${restart.state}`;
    throw new CommandFailure(message, { hints: underWay(others) });
  }
  // Somebody else may have been faster.
  const cancelled = restart !== undefined && (await wordedAs(wording, client.cancelRestart(id, call.signal)));
  if (!cancelled) throw new CommandFailure(`There is no restart ${id}`, { hints: underWay(others) });
  call.print(`Restart ${id} cancelled\n`);
  sayHowFar(call, restart, machines);
  return 0;
}

function underWay(restarts: readonly ApiRestart[]): readonly string[] {
  if (restarts.length === 0) return ["None is under way"];
  return restarts.map(({ id, units }) => `Under way: ${id} (${units.join(" ")})`);
}

function sayHowFar(
  { say }: Invocation,
  { units, steps }: ApiRestart,
  machines: readonly ClientMachine[],
): void {
  for (const { unit, machineID, state } of steps) {
    if (state !== "restarting") continue;
    const machine = machines.find(({ id }) => id === machineID) ?? { id: machineID ?? "" };
    const where = machineID === undefined ? "" : ` on ${machineLegend(machine, false)}`;
    say(`Unit ${unit} is being restarted${where}: that goes on`);
  }
  const left = units.filter((name) => !steps.some(({ unit }) => unit === name));
  if (left.length > 0) say(`Not restarted: ${left.join(" ")}`);
}
