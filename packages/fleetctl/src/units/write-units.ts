import type { FleetClient } from "@fleet/api/client";
import type { TargetState } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { mapBounded, UNITS_IN_FLIGHT } from "../bounded.ts";
import type { Invocation } from "../invocation.ts";
import type { PlannedUnit } from "./plan-units.ts";

/**
 * Writes new contents together with the target state. In a request of its own for each, a replaced unit would become inactive
 * in between, and might come back on another machine; and units would start only after all of them had been written.
 *
 * A unit that is created is reported on stdout as inactive first, as by fleet 1.0.
 */
export async function writeContents(
  call: Invocation,
  units: readonly PlannedUnit[],
  target: TargetState,
): Promise<void> {
  const client = await call.connect();
  const changing = units.filter(({ content }) => content !== "keep");
  const written = new Set<PlannedUnit>();
  const reportInactive = (those: readonly PlannedUnit[]): void =>
    call.print(those.map(({ name }) => `Unit ${name} inactive\n`).join(""));
  try {
    await mapBounded(
      changing,
      async (unit) => {
        await writeContent(client, unit, target, call.signal);
        written.add(unit);
      },
      UNITS_IN_FLIGHT,
    );
  } catch (error) {
    // They are in the cluster now, although the command has failed.
    const there = changing.filter((unit) => written.has(unit));
    if (target === "inactive") reportInactive(there);
    else
      for (const { name } of there) call.say(`Unit ${name} was written all the same: it is to be ${target}`);
    throw error;
  }
  reportInactive(target === "inactive" ? changing : changing.filter(({ content }) => content === "create"));
}

async function writeContent(
  client: FleetClient,
  { name, options }: PlannedUnit,
  target: TargetState,
  signal: AbortSignal,
): Promise<void> {
  const desired = target === "inactive" ? {} : { desiredState: target };
  await wordedAs(
    (reason) => `error creating Unit(${name}): ${reason}`,
    client.putUnit({ name, options, ...desired }, signal),
  );
}

/** Asks kept units for the target state where it is another one, and for a start of what is launched and has failed. */
export async function writeTargets(
  call: Invocation,
  units: readonly PlannedUnit[],
  desiredState: TargetState,
): Promise<void> {
  const client = await call.connect();
  const kept = units.filter(({ content }) => content === "keep");
  const again = (unit: PlannedUnit): boolean => unit.target === desiredState && desiredState === "launched";
  const write = async (unit: PlannedUnit): Promise<void> => {
    const retry = again(unit) && (await hasFailed(client, unit.name, call));
    if (unit.target === desiredState && !retry) return;
    if (retry) call.say(`Unit ${unit.name} has failed: starting it again.`);
    await wordedAs(
      (reason) => `error setting target state of Unit(${unit.name}): ${reason}`,
      client.putUnit({ name: unit.name, desiredState }, call.signal),
    );
  };
  // fleet 1.0 reads the states of all units to tell those of one.
  await mapBounded(kept, write, kept.some(again) ? undefined : UNITS_IN_FLIGHT);
}

/** Asking for a start is a new one then: a daemon starts the unit again wherever it has failed. */
async function hasFailed(client: FleetClient, unitName: string, call: Invocation): Promise<boolean> {
  const states = await client.states({ unitName }, call.signal);
  return states.some(({ systemdActiveState }) => systemdActiveState === "failed");
}
