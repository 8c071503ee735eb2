import { wordedAs } from "../api-failure.ts";
import { mapBounded } from "../bounded.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { isGlobal, unitsOf } from "../units/find-units.ts";
import { expandPatterns } from "../units/patterns.ts";
import { GoneGoal } from "../wait/goal.ts";
import { waitForUnits } from "../wait/wait-for-units.ts";
import { blockingOf } from "./blocking.ts";

export async function destroy(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const expansion = await expandPatterns(call);
  const units = await unitsOf(call, expansion);
  if (expansion.matched.size > 0) await agreeTo(call, [...expansion.matched.keys()]);
  const client = await call.connect();
  const destroyed = new Set<string>();
  try {
    await mapBounded(units, async ({ name }) => {
      await wordedAs(
        (reason) => `Error destroying units: ${name}: ${reason}`,
        // Destroyed by somebody else in between is destroyed all the same.
        client.destroyUnit(name, call.signal),
      );
      destroyed.add(name);
    });
  } finally {
    // Also when another one could not be: these are gone for good.
    const names = units.map(({ name }) => name).filter((name) => destroyed.has(name));
    call.print(names.map((name) => `Destroyed ${name}\n`).join(""));
  }
  const blocking = blockingOf(call.flags);
  if (!blocking.wait) return 0;
  // Units that were nowhere need no waiting: one request less for each.
  const placed = units.filter((unit) => !isGlobal(unit) && unit.machineID !== undefined);
  const goals = placed.map((unit) => new GoneGoal(unit.name));
  return (await waitForUnits(call, goals, blocking.attempts)) ? 0 : 1;
}

/** Names what a pattern matched. Throws CommandFailure unless the user agrees, where there is one to ask. */
async function agreeTo(call: Invocation, matched: readonly string[]): Promise<void> {
  const count = matched.length === 1 ? "1 unit" : `${matched.length} units`;
  call.say(`Matched ${count}: ${matched.join(" ")}`);
  // A script cannot answer, and must not hang: what it says is taken as meant.
  if (call.flags.on("yes") || call.ask === undefined) return;
  const answer = await call.ask(`Destroy ${count}? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailure("Nothing was destroyed");
}
