import {
  type ApiRestart,
  type ApiUnit,
  type FleetClient,
  FleetUnreachableError,
  type NewRestart,
} from "@fleet/api/client";
import { isInterrupt, wordedAs } from "../api-failure.ts";
import { UsageError } from "../cli/flag.ts";
import type { Invocation } from "../invocation.ts";
import { cancelRestart } from "../restart/cancel-restart.ts";
import { followRestart } from "../restart/follow-restart.ts";
import { restartOneByOne } from "../restart/restart-one-by-one.ts";
import { findUnits, isActivated, isGlobal } from "../units/find-units.ts";
import { blockingOf } from "./blocking.ts";

/** More than the API takes means as many at once as there are. */
const maxParallel = 1000;

/** Asks the cluster to restart units, and tells how it goes: the request is carried out without fleetctl. */
export async function restart(call: Invocation): Promise<number> {
  if (call.flags.given("cancel")) return await cancel(call);
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const parallel = call.flags.number("parallel");
  if (parallel < 1)
    throw new UsageError(`invalid value "${parallel}" for flag --parallel: expected 1 or more`);
  const found = await findUnits(call, isActivated);
  const units = found.filter(canBeRestarted);
  for (const unit of found) {
    if (!units.includes(unit)) call.fail(`Unable to restart unit ${unit.name} in state inactive`);
  }
  const code = units.length === 0 ? 0 : await restartUnits(call, units, parallel);
  return units.length === found.length ? code : 1;
}

async function cancel(call: Invocation): Promise<number> {
  const id = call.flags.text("cancel");
  if (id === "") throw new UsageError("--cancel needs the id of a request");
  if (call.args.length > 0) throw new UsageError("--cancel takes no units: it is about a request as a whole");
  return await cancelRestart(call, id);
}

function canBeRestarted(unit: ApiUnit): boolean {
  if (unit.desiredState === "inactive") return false;
  return isGlobal(unit) || (unit.currentState ?? "inactive") !== "inactive";
}

async function restartUnits(call: Invocation, units: readonly ApiUnit[], parallel: number): Promise<number> {
  const client = await call.connect();
  const names = units.map(({ name }) => name);
  const blocking = blockingOf(call.flags);
  const restart = await request(call, client, { units: names, parallel: Math.min(parallel, maxParallel) });
  if (restart === undefined) return await restartOneByOne(call, units, blocking);
  if (blocking.wait) return await followRestart(call, restart, blocking.attempts);
  for (const name of names) call.print(`Triggered unit ${name} restart\n`);
  return 0;
}

async function request(
  call: Invocation,
  client: FleetClient,
  wanted: NewRestart,
): Promise<ApiRestart | undefined> {
  const creation = client.createRestart(wanted, call.signal).catch((error: unknown): never => {
    // Asked again it might be done twice.
    if ((error instanceof FleetUnreachableError && error.mayBeSent) || isInterrupt(error)) {
      call.say("The request may have been accepted all the same: the cluster carries it out then.");
    }
    throw error;
  });
  return await wordedAs((reason) => `Error restarting units: ${reason}`, creation);
}
