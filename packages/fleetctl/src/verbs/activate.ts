import type { TargetState } from "@fleet/core";
import { doing } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { type PlannedUnit, planUnits } from "../units/plan-units.ts";
import { writeContents, writeTargets } from "../units/write-units.ts";
import type { Goal } from "../wait/goal.ts";
import { waitForUnits } from "../wait/wait-for-units.ts";
import { blockingOf } from "./blocking.ts";
import { refuseSigning } from "./signing.ts";

/** What tells `load` and `start` apart. */
export interface Activation {
  readonly verb: "load" | "start";
  readonly doing: "loading units" | "starting units";
  readonly target: "loaded" | "launched";
  readonly replaceableIn: readonly TargetState[];
  readonly goal: (unit: string) => Goal;
}

/** Submits what is missing, asks for the target state and waits until it is reached. */
export async function activate(call: Invocation, activation: Activation): Promise<number> {
  const { target, verb, replaceableIn } = activation;
  if (call.flags.on("sign")) return refuseSigning(call);
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const replace = call.flags.on("replace");
  const units = await doing("creating units", planUnits(call, { target, replace, replaceableIn }));
  await doing("creating units", writeContents(call, units, target));
  await doing(activation.doing, writeTargets(call, units, target));
  for (const unit of units) if (unit.global) call.say(`Triggered global unit ${unit.name} ${verb}`);
  return await settle(
    call,
    activation,
    units.filter((unit) => !unit.global),
  );
}

async function settle(
  call: Invocation,
  activation: Activation,
  units: readonly PlannedUnit[],
): Promise<number> {
  const blocking = blockingOf(call.flags);
  if (!blocking.wait) {
    for (const unit of units) call.print(`Triggered unit ${unit.name} ${activation.verb}\n`);
    return 0;
  }
  const goals = units.map((unit) => activation.goal(unit.name));
  const ifUnplaceable = call.flags.text("if-unplaceable") === "fail" ? "fail" : "wait";
  return (await waitForUnits(call, goals, blocking.attempts, ifUnplaceable)) ? 0 : 1;
}
