import type { ApiEvent } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { UsageError } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { EventLines } from "../output/event-lines.ts";
import { MachineBook } from "../output/machine-book.ts";
import { unknownMachine } from "../output/machine-filter.ts";
import { meansMachine } from "../output/machine-name.ts";
import { unitMatcher } from "../units/patterns.ts";

/** As it is typed, or as listings show it. */
const beginsAnId = /^[0-9a-f]+(\.\.\.(\/.*)?)?$/;

/** Printed before those that come, unless --lines says otherwise; as journalctl has it. */
const linesBeforeFollowing = 10;

export async function events(call: Invocation): Promise<number> {
  const { flags, args, signal } = call;
  if (args.length > 0) throw new UsageError("events takes no arguments: --unit and --machine choose");
  if (flags.number("lines") < 0)
    throw new UsageError(`invalid value "${flags.text("lines")}" for flag --lines`);
  const lines = new EventLines(call, await chosenEvents(call));
  const { followEvents, noEvents } = await import("../live/follow-events.ts");
  if (flags.on("follow"))
    return await followEvents(
      call,
      lines,
      flags.given("lines") ? flags.number("lines") : linesBeforeFollowing,
    );
  const client = await call.connect();
  const all = await wordedAs((reason) => `Error retrieving events: ${reason}`, client.events({}, signal));
  if (all === undefined) throw new CommandFailure(noEvents);
  lines.print(flags.given("lines") ? lines.latest(all, flags.number("lines")) : all);
  return 0;
}

/** What --unit and --machine let through. That events were omitted is told in any case: they may be about either. */
async function chosenEvents(call: Invocation): Promise<(event: ApiEvent) => boolean> {
  const units = call.flags.text("unit");
  const isUnit = units === "" ? undefined : unitMatcher(units.split(","));
  const isMachine = await chosenMachines(call);
  return ({ kind, unit, machineID, fromMachineID }) =>
    kind === "omitted" ||
    ((isUnit === undefined || (unit !== undefined && isUnit(unit))) &&
      (isMachine === undefined ||
        [machineID, fromMachineID].some((id) => id !== undefined && isMachine(id))));
}

/** Machines that are long gone can be named as well: by the beginning of their ids. Throws CommandFailure for what can be none. */
async function chosenMachines(call: Invocation): Promise<((id: string) => boolean) | undefined> {
  const named = call.flags.text("machine");
  if (named === "") return undefined;
  const { machines } = await MachineBook.read(await call.connect(), call.signal);
  const isMeant = named.split(",").map((word) => {
    const name = word.trim();
    const means = meansMachine(name);
    if (!machines.some(means) && !beginsAnId.test(name)) throw unknownMachine(name, machines);
    return means;
  });
  const present = new Set(
    machines.filter((machine) => isMeant.some((means) => means(machine))).map(({ id }) => id),
  );
  return (id) => present.has(id) || isMeant.some((means) => means({ id }));
}
