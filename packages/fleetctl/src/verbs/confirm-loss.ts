import { wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { massLossNotice } from "../output/mass-loss.ts";

/** Shows for which machines re-placing is held and, with --yes, says to the cluster that they are lost. */
export async function confirmLoss(call: Invocation): Promise<number> {
  const client = await call.connect();
  const massLoss = await wordedAs(
    (reason) => `Error retrieving lost machines: ${reason}`,
    client.massLoss(call.signal),
  );
  if (massLoss === undefined) {
    call.say("Nothing is held: no mass loss is to be confirmed.");
    return 0;
  }
  if (!call.flags.on("yes")) {
    call.say(massLossNotice(massLoss));
    for (const id of massLoss.machines) call.print(`${id}\n`);
    call.say(
      "Nothing has been changed: with --yes, what these machines ran is placed elsewhere, although it may still run there.",
    );
    return 0;
  }
  // Those that were shown, or would have been: what vanishes meanwhile is to be confirmed by itself.
  const confirmed = await wordedAs(
    (reason) => `Error confirming the loss: ${reason}`,
    client.confirmLosses(massLoss.machines, call.signal),
  );
  for (const id of confirmed) call.print(`${id}\n`);
  call.say(`Confirmed: ${confirmed.length} lost; what they ran is placed elsewhere.`);
  return 0;
}
