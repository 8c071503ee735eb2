import type { FleetClient } from "@fleet/api/client";
import type { TargetState } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { mapBounded, UNITS_IN_FLIGHT } from "../bounded.ts";
import type { Invocation } from "../invocation.ts";
import type { PlannedUnit } from "./plan-units.ts";

/** Writes new contents. A unit that is created is reported on stdout, as it is then: inactive. */
export async function writeContents(
  call: Invocation,
  units: readonly PlannedUnit[],
  target: TargetState,
): Promise<void> {
  const client = await call.connect();
  const inactive = new Set<string>();
  try {
    await mapBounded(
      units,
      async (unit) => {
        const name = await writeContent(client, unit, target, call.signal);
        if (name !== undefined) inactive.add(name);
      },
      UNITS_IN_FLIGHT,
    );
  } finally {
    // Also when another one could not be written: these are in the cluster now.
    const names = units.map(({ name }) => name).filter((name) => inactive.has(name));
    call.print(names.map((name) => `Unit ${name} inactive\n`).join(""));
  }
}

/** The name of a unit that is inactive now. */
async function writeContent(
  client: FleetClient,
  unit: PlannedUnit,
  target: TargetState,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { name, options } = unit;
  if (unit.content === "keep") return undefined;
  // A replaced unit gets content and target in one request: in two, it would become inactive in between, and
  // might come back on another machine.
  const together = unit.content === "replace" && target !== "inactive";
  await wordedAs(
    (reason) => `error creating Unit(${name}): ${reason}`,
    client.putUnit({ name, options, ...(together ? { desiredState: target } : {}) }, signal),
  );
  return together ? undefined : name;
}

/** Asks for the target state where it is another one, and for a start of what is launched and has failed. */
export async function writeTargets(
  call: Invocation,
  units: readonly PlannedUnit[],
  desiredState: TargetState,
): Promise<void> {
  const client = await call.connect();
  const hasAlready = (unit: PlannedUnit): boolean =>
    (unit.content === "replace" ? desiredState : unit.target) === desiredState;
  const again = (unit: PlannedUnit): boolean =>
    hasAlready(unit) && desiredState === "launched" && unit.content === "keep";
  const write = async (unit: PlannedUnit): Promise<void> => {
    const retry = again(unit) && (await hasFailed(client, unit.name, call));
    if (hasAlready(unit) && !retry) return;
    if (retry) call.say(`Unit ${unit.name} has failed: starting it again.`);
    await wordedAs(
      (reason) => `error setting target state of Unit(${unit.name}): ${reason}`,
      client.putUnit({ name: unit.name, desiredState }, call.signal),
    );
  };
  // fleet 1.0 reads the states of all units to tell those of one.
  await mapBounded(units, write, units.some(again) ? undefined : UNITS_IN_FLIGHT);
}

/** Asking for a start is a new one then: a daemon starts the unit again wherever it has failed. */
async function hasFailed(client: FleetClient, unitName: string, call: Invocation): Promise<boolean> {
  const states = await client.states({ unitName }, call.signal);
  return states.some(({ systemdActiveState }) => systemdActiveState === "failed");
}
